// What a scenario's page has beyond its text.

import { addCopyButtons } from "./copy_code.js";
import { followReader } from "./outline.js";

addCopyButtons(document);
followReader();
