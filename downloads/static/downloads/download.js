// All modules of the page of one download, which are served as one file.

import "./keys.js";
import "./live.js";
import "./copy.js";
import "./chart.js";
import "./entries.js";
import "./film.js";
