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
  server: { proxy: { "/api": process.env.KEEPLINE_ADMIN_URL ?? "http://127.0.0.1:8001" } },
});
