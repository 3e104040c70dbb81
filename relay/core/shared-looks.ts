/**
 * One look at a time for each key. Whoever comes while one is under way shares the next with all others that
 * do: what it finds is no older than the question.
 */
export class SharedLooks<K, T> {
  readonly #running = new Map<K, { readonly over: Promise<void>; next: Promise<T> | null }>();

  run(key: K, look: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key);
    if (!running) return this.#start(key, look);
    running.next ??= running.over.then(() => this.#start(key, look));
    return running.next;
  }

  #start(key: K, look: () => Promise<T>): Promise<T> {
    const result = look();
    const ended = (): void => {
      if (running.next === null) this.#running.delete(key);
    };
    const running = { over: result.then(ended, ended), next: null };
    this.#running.set(key, running);
    return result;
  }
}
