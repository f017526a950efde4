// The page's beginning: its views, in the order of the navigation.

import { follow } from "./definition.js";
import { listen } from "./events.js";
import { begin } from "./views.js";
import { VIEW as activate } from "./activate/view.js";
import { VIEW as connect } from "./connect/view.js";
import { VIEW as destination } from "./destination/view.js";
import { VIEW as status } from "./status/view.js";

begin([status, destination, connect, activate]);
follow();
listen();
