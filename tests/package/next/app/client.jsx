'use client';

import { useEffect } from 'react';

export function Client({ server }) {
  useEffect(() => {
    console.log(server);
    import('../page.js');
  }, [server]);
  return server;
}
