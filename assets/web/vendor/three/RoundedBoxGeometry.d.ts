export * from "three/addons/geometries/RoundedBoxGeometry.js";
