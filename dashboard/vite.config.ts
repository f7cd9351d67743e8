import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// The gateway serves what is built; `npm run dev` asks one that runs beside it.
export default defineConfig({
  base: "./",
  plugins: [svelte()],
  build: {
    outDir: "../src/keepline/admin/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the browser is told to take nothing that stands in a page
    modulePreload: { polyfill: false },
  },
  // The Host stays the browser's own: the gateway takes changes from no page of another place.
  server: { proxy: { "/api": { target: process.env.KEEPLINE_ADMIN_URL ?? "http://127.0.0.1:8001", changeOrigin: false } } },
});
