// Building elements. Text only ever becomes text nodes, because answers of a model may look like HTML.

export interface ElementParts {
  readonly className?: string;
  readonly text?: string;
  /** `aria-*`, `role`, `title`, `type` and the like; never `style` (the page's policy refuses it). */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** An element with its class, text, attributes and children. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  parts: ElementParts = {},
  children: readonly Node[] = [],
): HTMLElementTagNameMap[Tag] {
  const node = document.createElement(tag);
  if (parts.className !== undefined) node.className = parts.className;
  if (parts.text !== undefined) node.textContent = parts.text;
  for (const [name, value] of Object.entries(parts.attributes ?? {}))
    node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const icons = {
  // Drawn for this project on a grid of 16 x 16.
  error:
    'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm0 1.2a5.3 5.3 0 1 1 0 10.6A5.3 5.3 0 0 1 8 2.7ZM5.9 5.05l-.85.85L7.15 8l-2.1 2.1.85.85L8 8.85l2.1 2.1.85-.85L8.85 8l2.1-2.1-.85-.85L8 7.15 5.9 5.05Z',
  check: 'M13.6 3.9 6.4 12 2.4 8.3l.8-.9 3.1 2.9 6.4-7.2.9.8Z',
  close: 'm8 7.1 3.9-3.9.9.9L8.9 8l3.9 3.9-.9.9L8 8.9l-3.9 3.9-.9-.9L7.1 8 3.2 4.1l.9-.9L8 7.1Z',
  search:
    'M6.8 2a4.8 4.8 0 1 1 0 9.6 4.8 4.8 0 0 1 0-9.6Zm0 1.2a3.6 3.6 0 1 0 0 7.2 3.6 3.6 0 0 0 0-7.2Zm3.9 6.6 3.5 3.5-.9.9-3.5-3.5.9-.9Z',
  export: 'M8.6 2v6.3l2.1-2.1.8.9L8 10.6 4.5 7.1l.8-.9 2.1 2.1V2h1.2ZM3 12.4h10v1.2H3v-1.2Z',
  file: 'M4 1.5h5.3L12.5 4.7v9.8h-8.5a.5.5 0 0 1-.5-.5V2a.5.5 0 0 1 .5-.5Zm.7 1.2v10.6h6.6V5.5H8.5V2.7H4.7Z',
  copy: 'M5 1.5h8a.5.5 0 0 1 .5.5v9h-1.2V2.7H5V1.5ZM3 4h7a.5.5 0 0 1 .5.5v9.5a.5.5 0 0 1-.5.5H3a.5.5 0 0 1-.5-.5V4.5A.5.5 0 0 1 3 4Zm.7 1.2v8.1h5.6V5.2H3.7Z',
  up: 'm8 4.5 4.2 5H3.8L8 4.5Z',
  down: 'm8 11.5-4.2-5h8.4L8 11.5Z',
} as const;

export type IconName = keyof typeof icons;

/** A picture in the colour of the text around it; hidden from screen readers, so words must stand beside it. */
export function icon(name: IconName): SVGSVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(namespace, 'path');
  path.setAttribute('d', icons[name]);
  path.setAttribute('fill', 'currentColor');
  svg.append(path);
  return svg;
}

/** A button with an icon and words. */
export function iconButton(name: IconName, text: string, onPress: () => void): HTMLButtonElement {
  const button = element('button', { className: 'button', attributes: { type: 'button' } }, [
    icon(name),
    element('span', { text }),
  ]);
  button.addEventListener('click', onPress);
  return button;
}
