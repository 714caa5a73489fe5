// What every page to read has.

import { addCopyButtons } from "./copy_code.js";

addCopyButtons(document);
