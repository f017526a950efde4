// What the destination view says.

import { counted, number, when } from "../formats.js";

const segmentsAnd = (segments, attributes) => `${counted(segments, "segment", "segments")} and ${counted(attributes, "attribute", "attributes")}`;

export const WORDS = {
  title: "Destination",
  intro: "What is in force: every member of the service follows it.",
  loading: "Reading what is in force …",
  notRead: (why) => `What stands here may be out of date. ${why}`,
  nothing: "Nothing is set up yet, so nothing is exported.",
  begun: "A set-up has begun, and has no dataflow yet: nothing is exported.",
  connect: "Connect to destination",
  goOn: "Go on with the set-up",

  facts: {
    name: "Dataflow",
    description: "Description",
    state: "State",
    stream: "Stream",
    region: "Region",
    account: "Account",
    endpoint: "Endpoint",
    actions: "Marketing actions",
    enforcement: "Enforcement",
    mapped: "Mapped",
    changed: "Changed",
  },
  states: { enabled: "Enabled: changed profiles are exported", disabled: "Disabled: nothing is exported" },
  enabledEmpty: "Enabled, and nothing is exported: no segment is mapped",
  accounts: {
    chain: "AWS's default credential chain",
    variables: (accessKeyId, secretKey) => `Variables of the service: ${accessKeyId} and ${secretKey}`,
    keys: "Access key and secret key, kept encrypted",
    named: (name, how) => `${name} (${how})`,
  },
  awsEndpoint: "AWS's own",
  noActions: "none: no policy applies",
  noDescription: "none",
  enforcements: {
    filter: "filter: what a policy forbids is left out of records",
    block: "block: a change that maps what a policy forbids is refused",
  },
  mappedCount: segmentsAnd,
  changedBy: (ms, by) => `${when(ms)} by ${by}`,

  buttons: {
    rename: "Rename",
    disable: "Disable",
    enable: "Enable",
    actions: "Edit marketing actions",
    add: "Add segments or attributes",
    setUp: "Change the set-up",
    takeOff: "Take off",
  },
  takeOffOne: (name) => `Take off ${name}`,

  backfill: { heading: "Backfill", bar: "share of the backfill", status: "More of it on Status" },

  segments: {
    heading: "Segments",
    caption: "Mapped to this destination. Outcome: what the policies in force make of it.",
    headings: ["segment", "ID", "namespace", "mapped", "labels", "outcome", "change"],
    none: "no segment is mapped",
    unnamed: "without a name",
    search: "Search segments",
    shown: (shown, all) => `${number(shown)} of ${number(all)} shown`,
  },
  attributes: {
    heading: "Attributes",
    caption: "Identities go along with every record by themselves.",
    headings: ["attribute", "labels", "outcome", "change"],
    none: "no attribute is mapped",
    search: "Search attributes",
  },
  exported: "exported",
  removed: ({ policy, action }) => `removed by “${policy}” (${action})`,
  outcomeUnknown: "not known",
  outcomesFailed: (why) => `What governance makes of them is not known. ${why}`,

  removal: {
    segmentTitle: (name) => `Take the segment “${name}” off?`,
    attributeTitle: (path) => `Take the attribute “${path}” off?`,
    segment: [
      "No further record has it, and no “exited” is sent for it: whoever reads the stream is not told, and keeps its members as they were.",
      "Where its members should leave it at the readers' side as well: have a policy forbid the segment first, and take it off once they have “exited”.",
    ],
    attribute: [
      "No further record has it. No record is sent for that alone: whoever reads the stream keeps what they have of it.",
    ],
    last: "It is the last segment: from then on nothing is exported at all.",
    again: "Mapped again later, every member is exported anew as “realized”.",
    confirm: "Take off",
    doing: "Taking off",
  },

  preview: {
    looking: "Looking at what profiles would be sent …",
    heading: "What profiles would be sent",
    sampled: (count, ms) => `By a sample of ${counted(count, "profile", "profiles")}, of ${when(ms)}.`,
    failed: (why) => `What profiles would be sent could not be worked out. ${why} You can do it all the same.`,
    refused: (why) => `The service would refuse this. ${why}`,
    nobody: "None of them would be sent a record for this.",
    examples: "Records as they would be",
    noChange: "As it is now: nothing would be changed.",
  },

  rename: {
    title: "Rename the dataflow",
    name: "Name",
    description: "Description",
    nameMissing: "A dataflow has a name.",
    confirm: "Rename",
    doing: "Renaming",
  },

  disable: {
    title: "Disable the dataflow?",
    body: [
      "Nothing is exported until it is enabled again. Events wait in Kafka meanwhile, for as long as their topic keeps them.",
      "Enabled again, it goes on where it was: what came meanwhile is exported then, and nothing twice for it.",
    ],
    confirm: "Disable",
    doing: "Disabling",
  },
  enable: {
    title: "Enable the dataflow?",
    body: [
      "It goes on where it was: what came meanwhile is exported, as far as Kafka has kept it.",
    ],
    nothing: "No segment is mapped: nothing is exported before one is.",
    confirm: "Enable",
    doing: "Enabling",
  },

  actions: {
    title: "Marketing actions",
    label: "What is the stream's data used for?",
    help: "Policies forbid data to uses. Beside each: what the policies in force would remove for it of what is mapped.",
    none: "With none, no policy applies.",
    judging: "Looking at what each would remove …",
    failed: (why) => `What each would remove is not known. ${why}`,
    removesNothing: "removes nothing of what is mapped",
    removes: (names, further, policies) => `removes ${names.join(", ")}${further ? ` and ${number(further)} more` : ""}, by ${policies.map((name) => `“${name}”`).join(", ")}`,
    custom: (meaning) => (meaning ? `${meaning} (your own)` : "your own"),
    unknown: "It is named, and there is no such marketing action.",
    confirm: "Save",
    doing: "Saving",
  },

  // Of one flow or target connection, as two of them are told apart.
  members: { actions: "marketing actions", description: "description", name: "name" },

  outcomes: {
    renamed: "The dataflow is renamed.",
    disabled: "The dataflow is disabled.",
    enabled: "The dataflow is enabled.",
    takenOff: (name) => `${name} is taken off: no further record has it.`,
    actions: "The marketing actions are saved.",
    there: "Somebody else has done the same meanwhile.",
    gone: "Somebody else has deleted it meanwhile.",
    left: "Nothing of yours was changed.",
  },

  history: {
    heading: "History",
    loading: "Reading who changed what …",
    failed: (why) => `Who changed what could not be read. ${why}`,
    none: "Nothing was changed yet.",
    by: (ms, by) => `${when(ms)}, by ${by}`,
    version: (version) => `version ${number(version)}`,
    whats: { made: "made", changed: "changed", deleted: "deleted" },
    change: (kind, name, what) => (name ? `${kind} “${name}” ${what}` : `${kind} ${what}`),
    further: (count) => `${counted(count, "more change", "more changes")} at once`,
    isCut: "What was before is not kept.",
    more: (count) => `${counted(count, "older change", "older changes")}`,
    kinds: {
      flows: "dataflow", targetConnections: "target connection", sourceConnections: "source connection", connections: "account",
      "policies/custom": "policy", "marketingActions/custom": "marketing action", consentPolicies: "consent policy",
      labels: "labels", enforcement: "enforcement", enabledCorePolicies: "core policies",
    },
  },
};
