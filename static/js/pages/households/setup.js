// The time zone of this browser, chosen before anybody looks for it.

const select = document.querySelector('select[name="time_zone"]');
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (select.value === "UTC" && [...select.options].some((option) => option.value === zone)) select.value = zone;
// And the language, where there is a voice for it.
const language = document.querySelector('select[name="language"]');
const spoken = navigator.language.split("-")[0];
if ([...language.options].some((option) => option.value === spoken)) language.value = spoken;
// The token in the address has done its work; the history does not need it.
if (location.search) history.replaceState(null, "", location.pathname);
