// One headless Chromium for a check, with nothing of its own that talks to the network.
import { chromium } from 'playwright-core';
import { existsSync } from 'node:fs';

const known = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export function fail(text) {
  throw new Error(text);
}

// Runs `check(page)`, leaves a screenshot at `picture` and ends the browser, whatever happened.
export async function withPage(picture, check) {
  const executablePath = process.env.CHROMIUM ?? known.find(existsSync) ?? fail('no Chromium found; set CHROMIUM');
  const browser = await chromium.launch({
    executablePath,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
    ],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1600 } });
    page.setDefaultTimeout(20_000);
    page.on('pageerror', (error) => console.error(`script error on the page: ${error.message}`));
    try {
      await check(page);
    } finally {
      await page.screenshot({ path: picture }).catch(() => {});
    }
  } finally {
    await browser.close();
  }
}
