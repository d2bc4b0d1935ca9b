/** The worker. Nothing imports this file: WebKit would run it again. */
import { expose } from 'comlink';
import { Tagger } from './tagger.js';

expose(new Tagger());
