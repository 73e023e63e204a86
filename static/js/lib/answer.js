// A page that answers a form. Back and reload ask for the page at its address, and send the form to nobody anew.

history.replaceState(null, "", location.href);
