/** The ways in for a picture: a file, the clipboard, a drop, a drawing, the camera. */
import { drawSquare, PictureError, readPicture } from '../vision/picture.js';

interface Elements {
  stage: HTMLElement;
  canvas: HTMLCanvasElement;
  video: HTMLVideoElement;
  choose: HTMLButtonElement;
  file: HTMLInputElement;
  draw: HTMLButtonElement;
  camera: HTMLButtonElement;
}

// What a finger draws, on 256 pixels.
const LINE_WIDTH = 9;
const DRAWING_PAUSE_MS = 250;

/**
 * @param onPicture called when the canvas shows another picture
 * @param onError called with a message for the visitor
 */
export function listenForPictures(
  elements: Elements,
  onPicture: (name: string) => void,
  onError: (message: string) => void,
): void {
  const { stage, canvas, video, choose, file, draw, camera } = elements;

  const take = async (blob: Blob, name: string): Promise<void> => {
    stopCamera();
    stopDrawing();
    try {
      const picture = await readPicture(blob);
      drawSquare(canvas, picture, picture.width, picture.height);
      onPicture(name);
    } catch (error) {
      if (!(error instanceof PictureError)) throw error;
      onError(error.message);
    }
  };

  choose.addEventListener('click', () => file.click());
  file.addEventListener('change', () => {
    const [chosen] = file.files ?? [];
    if (chosen) void take(chosen, chosen.name);
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
    const [dropped] = event.dataTransfer?.files ?? [];
    if (dropped) void take(dropped, dropped.name);
    else onError('That was no file. Save the picture first, and drop its file.');
  });
  document.addEventListener('paste', (event) => {
    const [pasted] = event.clipboardData?.files ?? [];
    if (pasted) void take(pasted, 'Pasted picture');
  });

  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  let drawingTimer = 0;
  const stopDrawing = (): void => {
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
    onPicture('Your drawing');
  });
  canvas.addEventListener('pointerdown', (event) => {
    if (!stage.classList.contains('drawing')) return;
    canvas.setPointerCapture(event.pointerId);
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
    drawingTimer = window.setTimeout(() => onPicture('Your drawing'), DRAWING_PAUSE_MS);
  });

  const cameraLabel = camera.textContent;
  const stopCamera = (): void => {
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
        onPicture('From the camera');
        return;
      }
      try {
        // Undefined on pages that are not served securely.
        const devices = navigator.mediaDevices as MediaDevices | undefined;
        if (!devices) throw new Error('pages need https for it');
        video.srcObject = await devices.getUserMedia({ video: { facingMode: 'environment' } });
        await video.play();
        video.hidden = false;
        canvas.hidden = true;
        camera.textContent = 'Take the picture';
      } catch (error) {
        stopCamera();
        onError(`The camera cannot be used: ${(error as Error).message}`);
      }
    })();
  });
}

function positionIn(canvas: HTMLCanvasElement, { clientX, clientY }: PointerEvent): [number, number] {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return [((clientX - left) / width) * canvas.width, ((clientY - top) / height) * canvas.height];
}
