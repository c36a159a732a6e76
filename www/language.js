// The pages speak Chinese, and English to a browser that asks for no Chinese.

const languages = navigator.languages?.length ? navigator.languages : [navigator.language];
export const isEnglish = !languages.some((language) => /^zh\b/i.test(language));

/** The words in the page's language. */
export const say = (chinese, english) => (isEnglish ? english : chinese);

// The page's own words: data-en is an element's English text, data-en-title and the like that of an attribute.
if (isEnglish) {
  document.documentElement.lang = "en";
  for (const node of document.querySelectorAll("[data-en]")) node.textContent = node.dataset.en;
  for (const attribute of ["aria-label", "placeholder", "title"]) {
    for (const node of document.querySelectorAll(`[data-en-${attribute}]`)) {
      node.setAttribute(attribute, node.getAttribute(`data-en-${attribute}`));
    }
  }
}
