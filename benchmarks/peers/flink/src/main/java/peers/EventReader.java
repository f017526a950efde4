package peers;

import static peers.Text.utf8;

import com.dslplatform.json.DslJson;
import com.dslplatform.json.JsonReader;
import java.io.IOException;
import java.util.Arrays;

/** Finds what is mapped in an event's text, in one pass over its bytes; the rest is skipped. */
final class EventReader {
    private static final byte[] REALIZED = utf8("\"realized\"");
    private static final byte[] EXISTING = utf8("\"existing\"");
    private static final byte[] MEMBERSHIPS = utf8("segmentMembership");
    private static final byte[] NAMESPACE = utf8("ups");
    private static final byte[] IDENTITIES = utf8("identityMap");
    private static final byte[] STATUS = utf8("status");
    private static final byte[] TIME = utf8("lastQualificationTime");

    private final JsonReader<?> json = new DslJson<>().newReader();
    private final Selection selection;
    private final Names segments;
    private final Event event;
    private int from;
    private int to;

    EventReader(Selection selection) {
        this.selection = selection;
        this.segments = new Names(selection.segments);
        this.event = new Event(selection);
    }

    /**
     * The event of a text; it is the same object each time.
     *
     * @throws IOException the text is not an event
     */
    Event read(byte[] text) throws IOException {
        event.begin(text);
        json.process(text, text.length);
        json.getNextToken();
        for (boolean more = begin(); more; more = next()) {
            int hash = name();
            if (json.wasLastName(MEMBERSHIPS)) {
                readNamespaces();
            } else if (json.wasLastName(IDENTITIES)) {
                expect('{');
                find();
                event.identitiesFrom = from;
                event.identitiesTo = to;
            } else {
                readAttribute(selection.attributes.member(json, hash));
            }
        }
        return event;
    }

    private void readNamespaces() throws IOException {
        for (boolean more = begin(); more; more = next()) {
            name();
            if (json.wasLastName(NAMESPACE)) {
                readMemberships();
            } else {
                json.skip();
            }
        }
        json.getNextToken();
    }

    private void readMemberships() throws IOException {
        for (boolean more = begin(); more; more = next()) {
            int hash = name();
            int segment = segments.number(json, hash);
            if (segment == Names.UNKNOWN) {
                json.skip();
            } else {
                readMembership(segment);
            }
        }
        json.getNextToken();
    }

    private void readMembership(int segment) throws IOException {
        boolean hasStatus = false;
        for (boolean more = begin(); more; more = next()) {
            name();
            if (json.wasLastName(STATUS)) {
                find();
                hasStatus = true;
                event.isMember[segment] = isFound(REALIZED) || isFound(EXISTING);
            } else if (json.wasLastName(TIME)) {
                expect('"');
                find();
                event.timeFrom[segment] = from;
                event.timeTo[segment] = to;
            } else {
                json.skip();
            }
        }
        if (!hasStatus || event.timeFrom[segment] == Event.ABSENT) {
            throw json.newParseError("a membership lacks its status or its time");
        }
        json.getNextToken();
    }

    private void readAttribute(Selection.Attributes mapped) throws IOException {
        if (mapped != null && mapped.number != Selection.Attributes.OBJECT) {
            find();
            event.attributeFrom[mapped.number] = from;
            event.attributeTo[mapped.number] = to;
        } else if (mapped != null && json.last() == '{') {
            for (boolean more = begin(); more; more = next()) {
                int hash = name();
                readAttribute(mapped.member(json, hash));
            }
            json.getNextToken();
        } else {
            json.skip();
        }
    }

    /** Go into the object that begins here; whether it has a member. */
    private boolean begin() throws IOException {
        expect('{');
        return json.getNextToken() != '}';
    }

    /** Go past a member that was read; whether there is another. */
    private boolean next() throws IOException {
        if (json.last() == '}') {
            return false;
        }
        expect(',');
        json.getNextToken();
        return true;
    }

    /** Read a member's name, and go to where its value begins; a hash of the name. */
    private int name() throws IOException {
        int hash = json.fillNameWeakHash();
        json.getNextToken();
        return hash;
    }

    /** Find where the value that begins here begins and ends, and go past it. */
    private void find() throws IOException {
        from = json.getCurrentIndex() - 1;
        json.skip();
        to = json.getCurrentIndex() - 1;
        while (event.text[to - 1] <= ' ') {
            to--;
        }
    }

    private boolean isFound(byte[] value) {
        return Arrays.equals(event.text, from, to, value, 0, value.length);
    }

    private void expect(char token) throws IOException {
        if (json.last() != token) {
            throw json.newParseError("something else should be here");
        }
    }
}
