// A page that answers a form. Back and reload ask for the page at its address, and send the form to nobody anew. Where that
// is the address of one of its own forms, that form says so (data-again).

history.replaceState(null, "", document.querySelector("[data-again]")?.action ?? location.href);
