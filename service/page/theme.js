// Light or dark: as the system says, until whoever reads the page chooses. It runs before the page
// is drawn, so that it is never drawn in the wrong colours.
{
  const CHOICES = ["system", "light", "dark"];
  const NAME = "regard.theme";

  const remembered = () => {
    try {
      return localStorage.getItem(NAME) ?? "system";
    } catch {
      return "system"; // nothing may be stored here
    }
  };
  const choose = (theme) => {
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(NAME, theme);
    } catch {
      // it holds until the page is left
    }
    dispatchEvent(new Event("theme"));
  };

  document.documentElement.dataset.theme = remembered();
  addEventListener("DOMContentLoaded", () => {
    const select = document.querySelector("#theme");
    select.value = CHOICES.includes(remembered()) ? remembered() : "system";
    select.addEventListener("change", () => choose(select.value));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
      dispatchEvent(new Event("theme")),
    );
  });
}
