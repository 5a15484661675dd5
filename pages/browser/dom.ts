/// <reference lib="dom" />

/** Returns the element with an id, which some pages do not have. */
export const byId = <E extends HTMLElement = HTMLElement>(id: string) => document.getElementById(id) as E | null;

/** Returns the elements of a page, or within one of its elements, that a selector finds. */
export const all = <E extends Element = HTMLElement>(selector: string, within: ParentNode = document) => [
  ...within.querySelectorAll<E>(selector),
];

/** Makes an element with properties. */
export const make = <K extends keyof HTMLElementTagNameMap>(name: K, own: Partial<HTMLElementTagNameMap[K]> = {}) =>
  Object.assign<HTMLElementTagNameMap[K], object>(document.createElement(name), own);

/** Returns the value of a property of the style, such as a colour. */
export const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * Acts on events in elements that a selector finds, also in those that come later.
 * @param capture true for a type of events that do not bubble
 */
export function on<E extends Element>(type: string, selector: string, act: (element: E) => void, capture = false) {
  document.addEventListener(type, ({ target }) => {
    const found = target instanceof Element ? target.closest<E>(selector) : null;
    if (found !== null) act(found);
  }, capture);
}
