import { defineConfig } from "vite";
import solid from "vite-plugin-solid";

// `npm run dev` serves the page and forwards its questions to a running server (SLIPWAY_URL).
const server = process.env.SLIPWAY_URL ?? "http://127.0.0.1:5000";
// What the binary sends with the page (src/app/web_assets.cc).
const policy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";
const forward = { target: server, changeOrigin: true, headers: { origin: server } };

const proxy = { "/ajax-api": forward, "/api": forward, "/v2": forward, "/get-artifact": forward };

export default defineConfig({
  plugins: [solid()],
  base: "/",
  build: {
    target: "es2020",
    modulePreload: { polyfill: false }, // no inline script: the policy is default-src 'self'
    assetsInlineLimit: 0,
    reportCompressedSize: true,
  },
  server: { host: "127.0.0.1", proxy },
  preview: { host: "127.0.0.1", proxy, headers: { "Content-Security-Policy": policy } },
});
