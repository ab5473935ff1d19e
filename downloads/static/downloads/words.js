// What the scripts say, in the language of the page. web/words.py makes it.

const page = globalThis.document;
export const lang = page?.documentElement.lang || "en";
// That language as the browser writes it: en-GB has other dates than en.
export const locale = globalThis.navigator?.languages.find((each) => each.startsWith(lang)) ?? lang;
const words = globalThis.vnsiteWords ?? {}; // a script of the page's language, before all modules
const plurals = new Intl.PluralRules(lang);

// `%(name)s` becomes values.name; of a sentence with a plural, values.n chooses.
export function say(code, values = {}) {
  const found = words[code] ?? code;
  const text = found[plurals.select(values.n ?? 1)] ?? found.other ?? found;
  return text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
}
