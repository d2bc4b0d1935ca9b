/** Pictures of the visitor's: read, checked, and drawn as the backbone takes them. */
import { IMAGE_SIZE } from './layers.js';

const MOST_BYTES = 30e6;
const MOST_PIXELS = 40e6;
// A wider canvas loses memory, and the backbone sees 256 pixels.
const LONGEST_SIDE = 1024;

/** A message for the visitor. */
export class PictureError extends Error {}

/** @throws PictureError, which names the file, for what is no picture, or too large a one */
export async function readPicture(file: Blob, name: string): Promise<ImageBitmap> {
  const refuse = (reason: string): PictureError => new PictureError(`${name}: ${reason}`);
  if (file.size === 0) throw refuse('this file is empty, it has 0 bytes.');
  if (file.size > MOST_BYTES) {
    throw refuse(`this file has ${megabytes(file.size)}. Choose one of at most ${megabytes(MOST_BYTES)}.`);
  }
  if (file.type !== '' && !file.type.startsWith('image/')) {
    throw refuse(`this is not a picture, but a file of type ${file.type}.`);
  }
  // A folder, or a file that is gone, has a name and a size too.
  const start = await file
    .slice(0, HEIC_BYTES)
    .arrayBuffer()
    .catch(() => {
      throw refuse('this browser cannot read the file: it is a folder, or is not there any more.');
    });
  if (file.type === 'image/svg+xml' && hasScript(await file.text())) {
    throw refuse('this SVG holds a script. Save the picture as a PNG, and choose that.');
  }
  // In an image element, no script of an SVG runs and nothing that it names is loaded.
  const url = URL.createObjectURL(file);
  const image = new Image();
  try {
    image.src = url;
    await image.decode();
  } catch {
    throw refuse(
      isHeic(start)
        ? 'this browser cannot read HEIC, the format of phones. Save the picture as a JPEG, and choose that.'
        : 'this browser cannot read the file as a picture: it is damaged, or of an unknown format.',
    );
  } finally {
    URL.revokeObjectURL(url);
  }
  const { naturalWidth: width, naturalHeight: height } = image;
  if (width * height > MOST_PIXELS) {
    const size = `${Math.round((width * height) / 1e6)} megapixels (${width} × ${height})`;
    throw refuse(`this picture has ${size}. Choose one of at most ${MOST_PIXELS / 1e6} megapixels.`);
  }
  if (width === 0 || height === 0) throw refuse('this picture says no size, so there is nothing to draw.');
  const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  return createImageBitmap(image, {
    resizeWidth: Math.max(1, Math.round(width * scale)),
    resizeHeight: Math.max(1, Math.round(height * scale)),
    resizeQuality: 'high',
  }).catch(() => {
    // What is cut off has a size, and no pixels.
    throw refuse('this browser cannot read the file as a picture: it is damaged.');
  });
}

/** A file begins with four bytes of a length, and then a box of the type ftyp, whose brand is one of HEIC's. */
const HEIC_BYTES = 12;

function isHeic(start: ArrayBuffer): boolean {
  return /^.{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)/s.test(new TextDecoder('latin1').decode(start));
}

function hasScript(svg: string): boolean {
  const parsed = new DOMParser().parseFromString(svg, 'image/svg+xml');
  return [...parsed.querySelectorAll('*')].some(
    (element) => element.localName === 'script' || element.getAttributeNames().some((name) => name.startsWith('on')),
  );
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

/** Draws the whole of a picture in the middle of a square, on white. */
export function drawSquare(canvas: HTMLCanvasElement, picture: CanvasImageSource, width: number, height: number): void {
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = 'high';
  const scale = Math.min(canvas.width / width, canvas.height / height);
  const [w, h] = [width * scale, height * scale];
  context.drawImage(picture, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
}

/** What the backbone takes of a canvas of IMAGE_SIZE x IMAGE_SIZE. */
export function pixelsOf(canvas: HTMLCanvasElement): ImageData {
  return canvas.getContext('2d', { willReadFrequently: true })!.getImageData(0, 0, IMAGE_SIZE, IMAGE_SIZE);
}
