/** Pictures of groups: square, small, and within what the contract takes. */
import { MAX_PICTURE_BYTES } from "../../../shared/limits.js";

/** Sides in CSS pixels and qualities, tried in this order until one fits. */
const SIDES = [256, 192, 128, 96];
const QUALITIES = [0.86, 0.7, 0.5];
const TYPES = ["image/webp", "image/jpeg"];

/** What a file chooser offers; createImageBitmap reads all of these. */
export const PICTURE_TYPES = "image/png,image/jpeg,image/webp,image/gif,image/avif";

/**
 * The middle of a picture as a data: URL of at most 32 KB.
 * @throws DOMException where the file is no picture.
 */
export async function squarePicture(file: Blob): Promise<string> {
  const bitmap = await createImageBitmap(file);
  try {
    for (const side of SIDES) {
      const canvas = squareOf(bitmap, side);
      for (const quality of QUALITIES) {
        const blob = await encode(canvas, quality);
        if (blob && blob.size <= MAX_PICTURE_BYTES) return await dataUrl(blob);
      }
    }
  } finally {
    bitmap.close();
  }
  throw new DOMException("No encoding of this picture is small enough.", "EncodingError");
}

function squareOf(bitmap: ImageBitmap, side: number): HTMLCanvasElement {
  const { width, height } = bitmap;
  const edge = Math.min(width, height);
  const canvas = document.createElement("canvas");
  // A small picture stays as it is: enlarged it would only weigh more.
  canvas.width = Math.min(side, edge);
  canvas.height = canvas.width;
  const context = canvas.getContext("2d");
  if (!context) throw new DOMException("There is no canvas to draw on.", "InvalidStateError");
  // What is transparent would come out black as a JPEG.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  const [x, y] = [(width - edge) / 2, (height - edge) / 2];
  context.drawImage(bitmap, x, y, edge, edge, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** A browser that cannot write a type gives a PNG instead, which says so. */
async function encode(canvas: HTMLCanvasElement, quality: number): Promise<Blob | null> {
  for (const type of TYPES) {
    const blob = await new Promise<Blob | null>((resolve) => {
      canvas.toBlob(resolve, type, quality);
    });
    if (blob?.type === type) return blob;
  }
  return null;
}

const dataUrl = (blob: Blob): Promise<string> =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
