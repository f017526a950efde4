// The fields of an account: how the service signs in to AWS, and where. Keys are in their inputs alone, and gone from there as
// soon as they are sent, or another way is chosen.

import { made } from "../elements.js";
import { choice, field } from "../fields.js";
import { WORDS } from "../words/connect.js";
import { paramsOf, wrongEndpoint, wrongKeys, wrongRegion, wrongVariable } from "./answers.js";
import { endpointOf, regionOf, signsInBy, variableIn } from "./objects.js";

const TEXTS = WORDS.account;
const WAYS = ["chain", "variables", "keys"];
const DEFAULTS = { accessKeyVariable: "EXPORT_ACCESS_KEY_ID", secretKeyVariable: "EXPORT_SECRET_KEY" };

export class AccountForm {
  #account = null;
  #listeners = new Set();
  #groups;

  constructor() {
    this.element = made("div");
    const variable = (id, label, value) => {
      const one = field({ id, label, help: TEXTS.variableHelp, autocapitalize: "characters" });
      one.set(value);
      return one;
    };
    this.fields = {
      way: choice({ id: "account-way", label: TEXTS.how, items: itemsOf(WAYS) }),
      accessKeyVariable: variable("access-key-variable", TEXTS.accessKeyVariable, DEFAULTS.accessKeyVariable),
      secretKeyVariable: variable("secret-key-variable", TEXTS.secretKeyVariable, DEFAULTS.secretKeyVariable),
      accessKeyId: field({ id: "access-key-id", label: TEXTS.accessKeyId, help: TEXTS.accessKeyHelp }),
      secretKey: field({ id: "secret-key", label: TEXTS.secretKey, help: TEXTS.secretKeyHelp, kind: "password" }),
      region: field({ id: "account-region", label: TEXTS.region, help: TEXTS.regionHelp, list: "regions" }),
      endpoint: field({ id: "endpoint", label: TEXTS.endpoint, help: TEXTS.endpointHelp, kind: "url" }),
    };
    this.#arrange();
    for (const one of Object.values(this.fields)) one.onInput(() => this.#changed());
    this.begin(null);
  }

  // Show an account, or what a new one begins with, where it is null. Its keys are not known, and stay where none are given.
  begin(account) {
    this.#account = account;
    const { way, region, endpoint, accessKeyVariable, secretKeyVariable } = this.fields;
    const kept = account ? signsInBy(account) : "chain";
    way.items(itemsOf(kept === "files" ? [...WAYS, "files"] : WAYS));
    way.set(kept);
    region.set(regionOf(account));
    endpoint.set(endpointOf(account));
    const params = (account && account.auth && account.auth.params) || {};
    accessKeyVariable.set(variableIn(params.accessKeyId) || DEFAULTS.accessKeyVariable);
    secretKeyVariable.set(variableIn(params.secretKey) || DEFAULTS.secretKeyVariable);
    this.clearKeys();
    this.#groups.advanced.open = Boolean(endpointOf(account));
    for (const one of Object.values(this.fields)) {
      one.error(null);
      one.note("");
    }
    this.#show();
  }

  // What has been answered: the API's `params`, and whether the keys that are there are to stay (`keepsKeys`).
  answers() {
    const values = this.#values();
    return { way: values.way, params: paramsOf(/** @type {any} */ (values)), keepsKeys: this.#keepsKeys(values) };
  }

  // What can be said of the answers beforehand stands beside them, and the first that is wrong has the focus: whether none is.
  isRight() {
    const values = this.#values();
    const { fields } = this;
    const keys = wrongKeys(values.accessKeyId, values.secretKey, this.#mayKeep(values));
    const isBy = (way) => values.way === way;
    const wrong = [
      [fields.accessKeyVariable, isBy("variables") && wrongVariable(values.accessKeyVariable)],
      [fields.secretKeyVariable, isBy("variables") && wrongVariable(values.secretKeyVariable)],
      [fields.accessKeyId, isBy("keys") && keys.accessKeyId],
      [fields.secretKey, isBy("keys") && keys.secretKey],
      [fields.region, wrongRegion(values.region)],
      [fields.endpoint, wrongEndpoint(values.endpoint)],
    ];
    for (const [one, words] of wrong) one.error(words || null);
    const first = wrong.find(([, words]) => words);
    if (!first) return true;
    if (first[0] === fields.endpoint) this.#groups.advanced.open = true;
    first[0].focus();
    return false;
  }

  // Whether the answers can be tried before they are kept: keys that were typed are sent once, to be kept.
  mayTry() {
    const values = this.#values();
    const isWhole = !wrongRegion(values.region) && !wrongEndpoint(values.endpoint);
    const isVariable = [values.accessKeyVariable, values.secretKeyVariable].every((each) => !wrongVariable(each));
    return isWhole && (values.way === "chain" || (values.way === "variables" && isVariable));
  }

  clearKeys() {
    this.fields.accessKeyId.set("");
    this.fields.secretKey.set("");
  }

  // The fields by the JSON pointers of a connection's body.
  byPointer() {
    const { fields } = this;
    const isKeys = fields.way.value() === "keys";
    return {
      "/auth": fields.way,
      "/auth/params/accessKeyId": isKeys ? fields.accessKeyId : fields.accessKeyVariable,
      "/auth/params/secretKey": isKeys ? fields.secretKey : fields.secretKeyVariable,
      "/auth/params/region": fields.region,
      "/auth/params/connectionUrl": fields.endpoint,
    };
  }

  onChange(listener) {
    this.#listeners.add(listener);
  }

  #arrange() {
    const { way, accessKeyVariable, secretKeyVariable, accessKeyId, secretKey, region, endpoint } = this.fields;
    const group = (...fields) => {
      const element = made("div");
      element.append(...fields.map((each) => each.element));
      return element;
    };
    const kept = made("p", TEXTS.keptKeys, "help");
    const keys = group(accessKeyId, secretKey);
    keys.prepend(kept);
    const regions = made("datalist");
    regions.id = "regions";
    regions.append(...Object.entries(WORDS.regions).map(([value, label]) => {
      const option = made("option", label);
      option.value = value;
      return option;
    }));
    const advanced = made("details");
    advanced.append(made("summary", TEXTS.advanced), endpoint.element);
    this.#groups = { variables: group(accessKeyVariable, secretKeyVariable), keys, kept, advanced };
    this.element.append(way.element, this.#groups.variables, keys, region.element, regions, advanced);
  }

  #values() {
    const { way, accessKeyVariable, secretKeyVariable, accessKeyId, secretKey, region, endpoint } = this.fields;
    return {
      way: way.value(), accessKeyVariable: accessKeyVariable.value(), secretKeyVariable: secretKeyVariable.value(),
      accessKeyId: accessKeyId.value(), secretKey: secretKey.value(), region: region.value(), endpoint: endpoint.value(),
    };
  }

  #changed() {
    if (this.fields.way.value() !== "keys") this.clearKeys();
    this.#show();
    for (const listener of this.#listeners) listener();
  }

  #show() {
    const values = this.#values();
    this.#groups.variables.hidden = values.way !== "variables";
    this.#groups.keys.hidden = values.way !== "keys";
    this.#groups.kept.hidden = !this.#mayKeep(values);
  }

  #mayKeep(values) {
    return this.#account !== null && signsInBy(this.#account) === values.way && ["keys", "files"].includes(values.way);
  }

  #keepsKeys(values) {
    return this.#mayKeep(values) && !values.accessKeyId && !values.secretKey;
  }
}

const itemsOf = (ways) => ways.map((value) => ({ value, label: TEXTS.ways[value], help: TEXTS.waysHelp[value] }));
