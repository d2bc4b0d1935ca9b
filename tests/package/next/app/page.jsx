import { loss } from '../loss.js';
import { Client } from './client.jsx';

export default function Page() {
  return <Client server={`server-component ${loss.item()}`} />;
}
