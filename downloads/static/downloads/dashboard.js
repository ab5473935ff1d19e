// All modules of the dashboard, which are served as one file.

import "./keys.js";
import "./live.js";
import "./add.js";
import "./bulk.js";
import "./copy.js";
