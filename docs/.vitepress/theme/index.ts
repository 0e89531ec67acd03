import type { Theme } from "vitepress";
import DefaultTheme from "vitepress/theme-without-fonts";
import LayerPicture from "./LayerPicture.vue";
import Playground from "./playground/Playground.vue";
import "./style.css";

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.component("LayerPicture", LayerPicture);
    app.component("Playground", Playground);
  },
} satisfies Theme;
