/** All images in one, so that the page loads one file. */
import sharp from 'sharp';

// 1911 images make 48 columns of 40: nearly a square. 48 pixels are what a tile of the gallery takes on a phone.
export const COLUMNS = 48;
export const TILE = 48;

/** @returns a WebP with transparency */
export async function makeSprite(files: string[]): Promise<Buffer> {
  const tiles = await Promise.all(
    files.map(async (file, i) => ({
      input: await sharp(file).resize(TILE, TILE).png().toBuffer(),
      left: (i % COLUMNS) * TILE,
      top: Math.floor(i / COLUMNS) * TILE,
    })),
  );
  const size = { width: COLUMNS * TILE, height: Math.ceil(files.length / COLUMNS) * TILE };
  const blank = sharp({ create: { ...size, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } } });
  return blank.composite(tiles).webp({ quality: 72, alphaQuality: 50 }).toBuffer();
}

/** Raw pixels as features, for a baseline: each image in 16 x 16, [files, 768]. */
export async function pixelFeatures(files: string[]): Promise<Float32Array> {
  const rows = await Promise.all(
    files.map((file) => sharp(file).flatten({ background: '#fff' }).resize(16, 16).raw().toBuffer()),
  );
  return Float32Array.from(Buffer.concat(rows));
}
