// The page's beginning: its views, in the order of the navigation.

import { follow } from "./definition.js";
import { takeOnce } from "./double_clicks.js";
import { listen } from "./events.js";
import { mindLeaving } from "./leaving.js";
import { begin } from "./views.js";
import { VIEW as activate } from "./activate/view.js";
import { VIEW as connect } from "./connect/view.js";
import { VIEW as destination } from "./destination/view.js";
import { VIEW as status } from "./status/view.js";

takeOnce();
mindLeaving();
begin([status, destination, connect, activate]);
follow();
listen();
