// The time zone of this browser, chosen before anybody looks for it.

const select = document.querySelector('select[name="time_zone"]');
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (select.value === "UTC" && [...select.options].some((option) => option.value === zone)) select.value = zone;
