/** The ways in for a picture: a file, the clipboard, a drop, a drawing, the camera. */
import { byId } from '../app/page.js';
import { drawSquare, PictureError, readPicture } from '../vision/picture.js';

interface PictureEvents {
  /**
   * The canvas shows a picture of the visitor's. The next one of several comes when this is settled.
   *
   * @param isNew false while a drawing goes on
   */
  onPicture: (name: string, isNew: boolean) => Promise<void>;
  /** Messages for the visitor; none when another picture is taken. */
  onErrors: (messages: readonly string[]) => void;
}

// What a finger draws, on 256 pixels.
const LINE_WIDTH = 9;
const DRAWING_PAUSE_MS = 250;

/** @returns ends drawing and the camera, when another picture is looked at */
export function listenForPictures({ onPicture, onErrors }: PictureEvents): () => void {
  const stage = byId('stage');
  const canvas = byId<HTMLCanvasElement>('picture');
  const video = byId<HTMLVideoElement>('video');
  const file = byId<HTMLInputElement>('file');
  const [choose, draw, camera] = ['choose', 'draw', 'camera'].map((id) => {
    const button = byId<HTMLButtonElement>(id);
    button.disabled = false;
    return button;
  }) as [HTMLButtonElement, HTMLButtonElement, HTMLButtonElement];

  const takeAll = async (files: readonly { blob: Blob; name: string }[]): Promise<void> => {
    stopCamera();
    stopDrawing();
    const errors: string[] = [];
    onErrors(errors);
    for (const { blob, name } of files) {
      try {
        const picture = await readPicture(blob, name);
        drawSquare(canvas, picture, picture.width, picture.height);
        await onPicture(name, true);
      } catch (error) {
        errors.push(error instanceof PictureError ? error.message : `${name}: ${(error as Error).message}`);
        onErrors(errors);
      }
    }
  };
  /** One batch after the other: pictures of two would be mixed up on the canvas. */
  let taking = Promise.resolve();
  const take = (files: readonly File[], name?: string): void => {
    const named = files.map((blob) => ({ blob, name: name ?? blob.name }));
    taking = taking.then(() => takeAll(named));
  };

  choose.addEventListener('click', () => file.click());
  file.addEventListener('change', () => {
    take([...(file.files ?? [])]);
    file.value = '';
  });

  // Anywhere on the page: a browser would open what is dropped beside the stage.
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    stage.classList.add('over');
  });
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) stage.classList.remove('over');
  });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    stage.classList.remove('over');
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) take(files);
    else onErrors(['That was no file. Save the picture first, and drop its file.']);
  });
  document.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length > 0) take(files, 'Pasted picture');
  });

  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  let drawingTimer = 0;
  const stopDrawing = (): void => {
    clearTimeout(drawingTimer);
    draw.setAttribute('aria-pressed', 'false');
    stage.classList.remove('drawing');
  };
  draw.addEventListener('click', () => {
    stopCamera();
    if (draw.getAttribute('aria-pressed') === 'true') {
      stopDrawing();
      return;
    }
    draw.setAttribute('aria-pressed', 'true');
    stage.classList.add('drawing');
    context.fillStyle = '#fff';
    context.fillRect(0, 0, canvas.width, canvas.height);
    onErrors([]);
    void onPicture('Your drawing', true);
  });
  canvas.addEventListener('pointerdown', (event) => {
    if (!stage.classList.contains('drawing')) return;
    canvas.setPointerCapture(event.pointerId);
    clearTimeout(drawingTimer);
    context.beginPath();
    context.moveTo(...positionIn(canvas, event));
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!stage.classList.contains('drawing') || !canvas.hasPointerCapture(event.pointerId)) return;
    context.lineWidth = LINE_WIDTH;
    context.lineCap = context.lineJoin = 'round';
    context.strokeStyle = '#222';
    context.lineTo(...positionIn(canvas, event));
    context.stroke();
    clearTimeout(drawingTimer);
    drawingTimer = window.setTimeout(() => void onPicture('Your drawing', false), DRAWING_PAUSE_MS);
  });

  const cameraLabel = camera.textContent;
  /** Counts the times that the camera was started or stopped. */
  let cameraTurn = 0;
  const stopCamera = (): void => {
    cameraTurn++;
    if (video.srcObject instanceof MediaStream) for (const track of video.srcObject.getTracks()) track.stop();
    video.srcObject = null;
    video.hidden = true;
    canvas.hidden = false;
    camera.textContent = cameraLabel;
  };
  camera.addEventListener('click', () => {
    void (async () => {
      stopDrawing();
      if (!video.hidden) {
        drawSquare(canvas, video, video.videoWidth, video.videoHeight);
        stopCamera();
        await onPicture('From the camera', true);
        return;
      }
      const turn = ++cameraTurn;
      try {
        // Undefined on pages that are not served securely.
        const devices = navigator.mediaDevices as MediaDevices | undefined;
        if (!devices) throw new Error('pages need https for it');
        const stream = await devices.getUserMedia({ video: { facingMode: 'environment' } });
        // It may have been asked for again, or not be wanted any more, while the visitor was asked.
        if (turn !== cameraTurn) {
          for (const track of stream.getTracks()) track.stop();
          return;
        }
        video.srcObject = stream;
        await video.play();
        video.hidden = false;
        canvas.hidden = true;
        camera.textContent = 'Take the picture';
      } catch (error) {
        if (turn !== cameraTurn) return;
        stopCamera();
        onErrors([`The camera cannot be used: ${(error as Error).message}`]);
      }
    })();
  });

  return () => {
    stopCamera();
    stopDrawing();
  };
}

function positionIn(canvas: HTMLCanvasElement, { clientX, clientY }: PointerEvent): [number, number] {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return [((clientX - left) / width) * canvas.width, ((clientY - top) / height) * canvas.height];
}
