import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  build: {
    // Browsers of the last three years.
    target: ["chrome119", "edge119", "firefox119", "safari17"],
    // Everything is a file of its own: the page is served with a policy that knows only 'self'.
    assetsInlineLimit: 0,
    // The chart library is one chunk, loaded by the country page only.
    chunkSizeWarningLimit: 700,
  },
  server: {
    proxy: {
      "/api": "http://127.0.0.1:8080",
      "/openapi.json": "http://127.0.0.1:8080",
    },
  },
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
  },
});
