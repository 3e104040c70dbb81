/** The emoji that the picker offers, the quick ones first; the words after the name also find them. */
interface Emoji {
  readonly emoji: string;
  readonly name: string;
  readonly words: string;
}

/** How many of them stand in the row that is shown at once. */
export const QUICK = 6;

const table = `👍|thumbs up|yes ok like
❤️|red heart|love
😂|tears of joy|laugh funny
😮|surprised|wow open mouth
😢|crying|sad tear
🙏|folded hands|thanks please pray
👎|thumbs down|no dislike
👏|clapping|applause bravo
🙌|raised hands|hooray celebrate
👌|ok hand|perfect
✌️|victory|peace
🤞|crossed fingers|luck
🤝|handshake|deal agree
💪|strong arm|muscle
👋|waving|hello bye
👀|eyes|look
🤔|thinking|hmm
😀|grinning|happy smile
😁|beaming|teeth grin
😄|smiling eyes|laugh
😅|sweat|relief phew
🤣|rolling|laughing floor
😊|blushing|smile
🙂|slight smile|
🙃|upside down|irony
😉|wink|
😍|heart eyes|love
🥰|loving hearts|
😘|blowing kiss|
😋|yummy|tasty
😎|cool|sunglasses
🤓|nerd|glasses
🥳|party|celebrate birthday
😏|smirk|
😐|neutral|
🙄|rolling eyes|
😬|grimace|awkward
😴|sleeping|tired
🤒|ill|thermometer sick
🤯|exploding head|mind blown
🥺|pleading|please
😭|loud crying|sob
😡|angry|red
🤬|swearing|furious
😱|screaming|fear
🤗|hug|
🤷|shrug|dunno
🤦|facepalm|
🎉|party popper|congratulations tada
🎂|birthday cake|
🎁|present|gift
🔥|fire|hot great
✨|sparkles|shiny
⭐|star|
💯|hundred points|perfect
✅|check|done yes
❌|cross|no wrong
❗|exclamation|important
❓|question|
💡|idea|light bulb
💔|broken heart|
💜|purple heart|
💙|blue heart|
💚|green heart|
💛|yellow heart|
🧡|orange heart|
🖤|black heart|
☕|coffee|
🍕|pizza|
🍺|beer|cheers
🥂|glasses|cheers toast
🌞|sun face|
🌧️|rain cloud|
🌈|rainbow|
🌸|blossom|flower
🐱|cat|
🐶|dog|
🦄|unicorn|
🚀|rocket|launch ship
⏰|alarm clock|time
📌|pin|
📎|paper clip|
🔨|hammer|tool
🪚|saw|wood tool
🪵|wood|log
🧰|toolbox|tools
⚡|lightning|fast
🎵|music note|
⚽|football|soccer
🏆|trophy|win
👑|crown|
🫡|salute|yes sir
🫶|heart hands|love
💤|sleep|zzz`;

export const emojis: readonly Emoji[] = table.split("\n").map((line) => {
  const [emoji = "", name = "", words = ""] = line.split("|");
  return { emoji, name, words };
});

const names = new Map(emojis.map(({ emoji, name }) => [emoji, name]));

/** Its name in words; itself where it has none here. */
export const emojiName = (emoji: string): string => names.get(emoji) ?? emoji;

export function findEmojis(query: string): readonly Emoji[] {
  const words = query.trim().toLowerCase().split(/\s+/);
  return emojis.filter(({ name, words: more }) => {
    const all = `${name} ${more}`.split(" ");
    return words.every((word) => all.some((other) => other.startsWith(word)));
  });
}
