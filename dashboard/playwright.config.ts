import { defineConfig } from "@playwright/test";

/** What needs a server that has no LiveKit. */
const WITHOUT_LIVEKIT = "**/without-livekit/**";

/**
 * The server under test: `SIDETONE_URL`, with `SIDETONE_USER` and `SIDETONE_PASSWORD`;
 * `SIDETONE_WITHOUT_LIVEKIT` if it has none.
 */
export default defineConfig({
  testDir: "e2e",
  ...(process.env.SIDETONE_WITHOUT_LIVEKIT === undefined
    ? { testIgnore: WITHOUT_LIVEKIT }
    : { testMatch: WITHOUT_LIVEKIT }),
  outputDir: "test-results",
  // one server, one user: a test must not stop what another one listens to
  workers: 1,
  // deadlines and no expectations: a machine may be busy with much else
  timeout: 180_000,
  expect: { timeout: 30_000 },
  forbidOnly: true,
  reporter: [["list"]],
  use: {
    baseURL: process.env.SIDETONE_URL ?? "http://127.0.0.1:8080",
    viewport: { width: 1280, height: 720 },
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--autoplay-policy=no-user-gesture-required",
        // a microphone that beeps, and is permitted
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
      ],
    },
  },
});
