package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;

/** Finds what is mapped in an event's text, in one pass over its tokens; the rest is skipped. */
final class EventReader {
    private static final String NAMESPACE = "ups";

    private final JsonFactory json = new JsonFactory();
    private final Selection selection;
    private final Event event;

    EventReader(Selection selection) {
        this.selection = selection;
        this.event = new Event(selection);
    }

    /**
     * The event of a text; it is the same object each time.
     *
     * @throws IOException the text is not an event
     */
    Event read(byte[] text) throws IOException {
        event.begin(text);
        try (JsonParser parser = json.createParser(text)) {
            expect(parser, parser.nextToken(), JsonToken.START_OBJECT);
            String name;
            while ((name = parser.nextFieldName()) != null) {
                JsonToken token = parser.nextToken();
                switch (name) {
                    case "segmentMembership" -> readNamespaces(parser, token);
                    case "identityMap" -> {
                        expect(parser, token, JsonToken.START_OBJECT);
                        event.identitiesFrom = from(parser);
                        event.identitiesTo = to(parser);
                    }
                    default -> readAttributes(parser, token, selection.attributes.member(name));
                }
            }
        }
        return event;
    }

    private void readNamespaces(JsonParser parser, JsonToken first) throws IOException {
        expect(parser, first, JsonToken.START_OBJECT);
        String name;
        while ((name = parser.nextFieldName()) != null) {
            expect(parser, parser.nextToken(), JsonToken.START_OBJECT);
            if (name.equals(NAMESPACE)) {
                readMemberships(parser);
            } else {
                parser.skipChildren();
            }
        }
    }

    private void readMemberships(JsonParser parser) throws IOException {
        String name;
        while ((name = parser.nextFieldName()) != null) {
            expect(parser, parser.nextToken(), JsonToken.START_OBJECT);
            Integer segment = selection.segmentNumber(name);
            if (segment == null) {
                parser.skipChildren();
            } else {
                readMembership(parser, segment);
            }
        }
    }

    private void readMembership(JsonParser parser, int segment) throws IOException {
        String status = null;
        String name;
        while ((name = parser.nextFieldName()) != null) {
            JsonToken token = parser.nextToken();
            switch (name) {
                case "status" -> status = parser.getText();
                case "lastQualificationTime" -> {
                    expect(parser, token, JsonToken.VALUE_STRING);
                    event.timeFrom[segment] = from(parser);
                    event.timeTo[segment] = to(parser);
                }
                default -> parser.skipChildren();
            }
        }
        if (status == null || event.timeFrom[segment] == Event.ABSENT) {
            throw new JsonParseException(parser, "a membership lacks its status or its time");
        }
        event.isMember[segment] = status.equals("realized") || status.equals("existing");
    }

    private void readAttributes(JsonParser parser, JsonToken token, Selection.Attributes mapped)
            throws IOException {
        if (mapped != null && mapped.number >= 0) {
            event.attributeFrom[mapped.number] = from(parser);
            event.attributeTo[mapped.number] = to(parser);
        } else if (mapped != null && token == JsonToken.START_OBJECT) {
            String name;
            while ((name = parser.nextFieldName()) != null) {
                readAttributes(parser, parser.nextToken(), mapped.member(name));
            }
        } else {
            parser.skipChildren();
        }
    }

    private static int from(JsonParser parser) {
        return (int) parser.currentTokenLocation().getByteOffset();
    }

    /** Where the value ends that the parser stands at; the parser goes there. */
    private static int to(JsonParser parser) throws IOException {
        parser.skipChildren();
        parser.finishToken();
        return (int) parser.currentLocation().getByteOffset();
    }

    private static void expect(JsonParser parser, JsonToken token, JsonToken expected) throws IOException {
        if (token != expected) {
            throw new JsonParseException(parser, "there is " + token + " where " + expected + " should be");
        }
    }
}
