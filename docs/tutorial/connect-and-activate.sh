#!/usr/bin/env bash
# Connect to a stream and activate data by the API, call by call; it needs bash, curl and python3.
# What each call is for is in docs/connect-and-activate.md.
#
#   connect-and-activate.sh [connect] [policies] [update] [delete]      all four where none is named
#
# From the environment:
#   API_HOST          where the service is, http://127.0.0.1:8080 where unset
#   API_TOKEN         one of the tokens that may change
#   ACCESS_KEY_ID     AWS's access key, or ${EXPORT_…}: a variable of the service's own environment
#   SECRET_KEY        its secret key, or such a reference
#   STREAM, REGION    where exports go
#   CONNECTION_URL    an endpoint other than AWS's own; unset for AWS
#   SEGMENT_IDS       the segments to map, parted by blanks
#   ATTRIBUTES        the attributes to map, likewise
#   IDS_FILE          where the ids of what was made are kept between the steps, ./connect-and-activate.ids where unset

set -euo pipefail

: "${API_HOST:=http://127.0.0.1:8080}" "${API_TOKEN:?one of the tokens that may change}"
: "${IDS_FILE:=connect-and-activate.ids}"
flow_service=$API_HOST/data/foundation/flowservice
policy_service=$API_HOST/data/foundation/dulepolicy

profile_service=8a9c3494-9708-43d7-ae3f-cda01e5030e1
amazon_kinesis=86043421-563b-46ec-8e6c-e23184711bf6
profile_flow=71471eba-b620-49e4-90fd-23f1fa0174d8

# call STATUS METHOD URL [CURL OPTIONS…]: the answer's body, on standard output; a body to send comes from standard input
# where there is `--data-binary @-`. An answer of another status is shown, and ends the script.
# The token goes through a pipe: in an argument, everybody on this machine could read it.
call() {
    local wanted=$1 method=$2 url=$3 answer status
    shift 3
    answer=$(curl --silent --show-error --write-out '\n%{http_code}' --request "$method" "$url" \
        --header @<(printf 'Authorization: Bearer %s\n' "$API_TOKEN") \
        --header 'x-api-key: any' --header 'x-gw-ims-org-id: any' --header 'x-sandbox-name: prod' \
        --header 'Content-Type: application/json' --header 'Accept: application/json' "$@")
    status=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    if [ "$status" != "$wanted" ]; then
        printf '%s %s: %s instead of %s\n%s\n' "$method" "$url" "$status" "$wanted" "$answer" >&2
        exit 1
    fi
    printf '  %s %s: %s\n' "$method" "${url#"$API_HOST"}" "$status" >&2
    printf '%s\n' "$answer"
}

# json EXPRESSION: print a Python expression as JSON; `e` is the environment.
json() { python3 -c 'import json, os, sys; e = os.environ; print(json.dumps(eval(sys.argv[1])))' "$1"; }

# member EXPRESSION: a text of the JSON on standard input, which is `it`.
member() { python3 -c 'import json, sys; it = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }

# keep NAME: the variable of this name, for this step and the next ones.
keep() {
    export "${1?}"
    printf '%s=%q\n' "$1" "${!1}" >> "$IDS_FILE"
}

# The etag of an object as it is now, which a PATCH has to name.
etag_of() { call 200 GET "$flow_service/$1" | member 'it["items"][0]["etag"].strip("\"")'; }

connect() {
    : "${ACCESS_KEY_ID:?}" "${SECRET_KEY:?}" "${STREAM:?}" "${REGION:?}" "${SEGMENT_IDS:?}" "${ATTRIBUTES:?}"
    export ACCESS_KEY_ID SECRET_KEY STREAM REGION SEGMENT_IDS ATTRIBUTES profile_service amazon_kinesis profile_flow
    : > "$IDS_FILE"

    echo 'Which destinations are there?'
    call 200 GET "$flow_service/connectionSpecs" |
        member '"\n".join("  {id} {name}".format(**each) for each in it["items"])'

    echo 'Connect to the platform, which is the Kafka topic'
    PLATFORM_ID=$(json '{
        "name": "Base connection to the platform",
        "connectionSpec": {"id": e["profile_service"], "version": "1.0"}}' |
        call 201 POST "$flow_service/connections" --data-binary @- | member 'it["id"]')
    keep PLATFORM_ID
    SOURCE_ID=$(json '{
        "name": "Connecting to Profile Service",
        "connectionSpec": {"id": e["profile_service"], "version": "1.0"},
        "baseConnectionId": e["PLATFORM_ID"],
        "data": {"format": "json"},
        "params": {}}' |
        call 201 POST "$flow_service/sourceConnections" --data-binary @- | member 'it["id"]')
    keep SOURCE_ID

    echo 'Connect to Amazon Kinesis: account, then stream'
    KINESIS_ID=$(json '{
        "name": "Connection for Amazon Kinesis",
        "connectionSpec": {"id": e["amazon_kinesis"], "version": "1.0"},
        "auth": {
            "specName": "Aws Kinesis authentication credentials",
            "params": {
                "accessKeyId": e["ACCESS_KEY_ID"],
                "secretKey": e["SECRET_KEY"],
                "region": e["REGION"],
                **({"connectionUrl": e["CONNECTION_URL"]} if e.get("CONNECTION_URL") else {})}}}' |
        call 201 POST "$flow_service/connections" --data-binary @- | member 'it["id"]')
    keep KINESIS_ID
    TARGET_ID=$(json '{
        "name": "Amazon Kinesis target connection",
        "baseConnectionId": e["KINESIS_ID"],
        "connectionSpec": {"id": e["amazon_kinesis"], "version": "1.0"},
        "data": {"format": "json"},
        "params": {"stream": e["STREAM"], "region": e["REGION"]}}' |
        call 201 POST "$flow_service/targetConnections" --data-binary @- | member 'it["id"]')
    keep TARGET_ID

    echo 'Create the dataflow'
    FLOW_ID=$(json '{
        "name": "Profiles to Kinesis",
        "flowSpec": {"id": e["profile_flow"], "version": "1.0"},
        "sourceConnectionIds": [e["SOURCE_ID"]],
        "targetConnectionIds": [e["TARGET_ID"]],
        "transformations": [{
            "name": "GeneralTransform",
            "params": {"profileSelectors": {"selectors": []}, "segmentSelectors": {"selectors": []}}}]}' |
        call 201 POST "$flow_service/flows" --data-binary @- | member 'it["id"]')
    keep FLOW_ID

    echo 'Activate segments and attributes: exports begin'
    json '[
        *({"op": "add", "path": "/transformations/0/params/segmentSelectors/selectors/-",
           "value": {"type": "PLATFORM_SEGMENT", "value": {"id": each}}} for each in e["SEGMENT_IDS"].split()),
        *({"op": "add", "path": "/transformations/0/params/profileSelectors/selectors/-",
           "value": {"type": "JSON_PATH", "value": {"operator": "EXISTS", "path": each}}}
          for each in e["ATTRIBUTES"].split())]' |
        call 202 PATCH "$flow_service/flows/$FLOW_ID" --header "If-Match: \"$(etag_of "flows/$FLOW_ID")\"" \
            --data-binary @- | member '"  etag {etag}".format(**it)'

    echo 'Validate the dataflow'
    call 200 GET "$flow_service/flows/$FLOW_ID" | member 'json.dumps(it["items"][0]["transformations"], indent=2)'
}

policies() {
    export ATTRIBUTES="${ATTRIBUTES:?}"

    echo 'What the stream is for: a marketing action of your own'
    json '{"name": "tutorialPartners", "description": "Given to partners"}' |
        call 201 PUT "$policy_service/marketingActions/custom/tutorialPartners" --data-binary @- > /dev/null
    json '[{"op": "add", "path": "/params/marketingActions", "value": ["tutorialPartners"]}]' |
        call 202 PATCH "$flow_service/targetConnections/$TARGET_ID" \
            --header "If-Match: \"$(etag_of "targetConnections/$TARGET_ID")\"" --data-binary @- > /dev/null

    echo 'Label the first attribute'
    json '{"fields": {e["ATTRIBUTES"].split()[0]: ["C2"]}}' |
        call 200 PUT "$policy_service/labels" --data-binary @- > /dev/null

    echo 'A policy: written as a draft, looked at, enabled; the answer tells what exports lose by it'
    POLICY_ID=$(json '{
        "name": "No contracted data to partners",
        "status": "DRAFT",
        "marketingActionRefs": ["/dulepolicy/marketingActions/custom/tutorialPartners"],
        "deny": {"operator": "OR", "operands": [{"label": "C2"}, {"label": "C3"}]}}' |
        call 201 POST "$policy_service/policies/custom" --data-binary @- | member 'it["id"]')
    keep POLICY_ID
    call 200 GET "$policy_service/policies/custom/$POLICY_ID" | member '"  {name}: {status}".format(**it)'
    json '[{"op": "replace", "path": "/status", "value": "ENABLED"}]' |
        call 200 PATCH "$policy_service/policies/custom/$POLICY_ID" --data-binary @- |
        member '"\n".join("  {kind} {name} is removed by {policyName!r}".format(**each)
            for each in it.get("report", {}).get("violations", []))'

    echo 'With enforcement `block` it would not have been accepted: that is refused now, too, with the violation'
    json '{"enforcement": "block"}' | call 400 PUT "$policy_service/enforcement" --data-binary @- |
        member '"  {title}: {detail}".format(**it)'
}

update() {
    echo 'Rename the dataflow'
    json '[{"op": "replace", "path": "/name", "value": "Winter campaign"},
           {"op": "add", "path": "/description", "value": "For the holidays"}]' |
        call 202 PATCH "$flow_service/flows/$FLOW_ID" --header "If-Match: \"$(etag_of "flows/$FLOW_ID")\"" \
            --data-binary @- > /dev/null

    echo 'Add an attribute, and take it back'
    local attributes=/transformations/0/params/profileSelectors/selectors last
    export attributes
    json '[{"op": "add", "path": e["attributes"] + "/-",
            "value": {"type": "JSON_PATH", "value": {"operator": "EXISTS", "path": "tutorial.extra"}}}]' |
        call 202 PATCH "$flow_service/flows/$FLOW_ID" --header "If-Match: \"$(etag_of "flows/$FLOW_ID")\"" \
            --data-binary @- > /dev/null
    last=$(call 200 GET "$flow_service/flows/$FLOW_ID" |
        member 'len(it["items"][0]["transformations"][0]["params"]["profileSelectors"]["selectors"]) - 1')
    export last
    json '[{"op": "remove", "path": e["attributes"] + "/" + e["last"]}]' |
        call 202 PATCH "$flow_service/flows/$FLOW_ID" --header "If-Match: \"$(etag_of "flows/$FLOW_ID")\"" \
            --data-binary @- > /dev/null

    echo 'A change that was made from an older version is refused'
    json '[{"op": "replace", "path": "/name", "value": "Summer campaign"}]' |
        call 412 PATCH "$flow_service/flows/$FLOW_ID" --header 'If-Match: "an etag of yesterday"' --data-binary @- |
        member '"  {title}: {detail}".format(**it)'

    echo 'Disable the dataflow, see it in the list, enable it'
    call 202 POST "$flow_service/flows/$FLOW_ID/action?op=disable" > /dev/null
    call 200 GET "$flow_service/flows?property=state==disabled&limit=10" |
        member '"\n".join("  {id} {name}: {state}".format(**each) for each in it["items"])'
    call 202 POST "$flow_service/flows/$FLOW_ID/action?op=enable" > /dev/null
}

delete() {
    echo 'Delete the dataflow, then what led to it'
    call 202 DELETE "$flow_service/flows/$FLOW_ID" > /dev/null
    call 404 GET "$flow_service/flows/$FLOW_ID" > /dev/null
    call 204 DELETE "$flow_service/targetConnections/$TARGET_ID" > /dev/null
    call 204 DELETE "$flow_service/sourceConnections/$SOURCE_ID" > /dev/null
    call 204 DELETE "$flow_service/connections/$KINESIS_ID" > /dev/null
    call 204 DELETE "$flow_service/connections/$PLATFORM_ID" > /dev/null
    if [ -n "${POLICY_ID:-}" ]; then
        echo 'Delete the policy, the labels and the marketing action'
        call 200 DELETE "$policy_service/policies/custom/$POLICY_ID" > /dev/null
        call 200 PUT "$policy_service/labels" --data-binary '{}' > /dev/null
        call 200 DELETE "$policy_service/marketingActions/custom/tutorialPartners" > /dev/null
    fi
}

[ $# -gt 0 ] || set -- connect policies update delete
for step in "$@"; do
    case $step in
        connect | policies | update | delete) ;;
        *)
            echo "there is no step $step: connect, policies, update, delete" >&2
            exit 2
            ;;
    esac
    if [ "$step" != connect ]; then
        # shellcheck source=/dev/null
        set -a && . "$IDS_FILE" && set +a
    fi
    echo "== $step"
    "$step"
done
