'use client';

import { useEffect } from 'react';

export function Client({ server }) {
  useEffect(() => {
    console.log(server);
    fetch('/edge')
      .then((answer) => answer.text())
      .then((text) => {
        console.log(text);
        return import('../page.js');
      });
  }, [server]);
  return server;
}
