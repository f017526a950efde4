package peers;

import static peers.Text.utf8;

import java.util.Arrays;

/**
 * What an event exports, given what was last exported. Values are compared as they are written: one that is written anew
 * in another way counts as changed.
 */
final class Diff {
    private static final byte[] NO_IDENTITIES = utf8("{}");
    private static final byte[] MEMBERSHIPS = utf8("\"segmentMembership\":{\"ups\":{");
    private static final byte[] IDENTITIES = utf8("}},\"identityMap\":");
    private static final byte[] REALIZED = utf8(",\"status\":\"realized\"}");
    private static final byte[] EXISTING = utf8(",\"status\":\"existing\"}");
    private static final byte[] EXITED = utf8(",\"status\":\"exited\"}");

    private final Selection selection;
    private final byte[][] segmentHeads;
    private final byte[][] statuses;
    private final Text attributes = new Text();
    private final Text export = new Text();
    private Exported now;

    Diff(Selection selection) {
        this.selection = selection;
        int segments = selection.segments.size();
        segmentHeads = new byte[segments][];
        for (int segment = 0; segment < segments; segment++) {
            segmentHeads[segment] =
                    utf8('"' + selection.segments.get(segment) + "\":{\"lastQualificationTime\":");
        }
        statuses = new byte[segments][];
    }

    /** The export that follows from an event, null where none does; {@link #now} is then what was last exported. */
    byte[] export(Event event, Exported before) {
        byte[][] times = new byte[statuses.length][];
        boolean isMember = false;
        boolean wasMember = false;
        boolean moved = false;
        boolean renewed = false;
        for (int segment = 0; segment < times.length; segment++) {
            byte[] timeBefore = before == null ? null : before.times()[segment];
            wasMember |= timeBefore != null;
            if (event.isMember[segment]) {
                isMember = true;
                times[segment] = kept(event.text, event.timeFrom[segment], event.timeTo[segment], timeBefore);
                renewed |= times[segment] != timeBefore;
                moved |= timeBefore == null;
                statuses[segment] = timeBefore == null ? REALIZED : EXISTING;
            } else if (timeBefore != null) {
                moved = true;
                statuses[segment] = EXITED;
            } else {
                statuses[segment] = null;
            }
        }
        attributes.clear();
        addAttributes(event, selection.attributes);
        boolean sameAttributes = before != null && attributes.equalTo(before.attributes());
        byte[] identities = identities(event, before);
        boolean sameIdentities = before != null && identities == before.identities();
        boolean changed = !sameAttributes || !sameIdentities;
        now = before;
        if ((isMember || wasMember) && (renewed || moved || changed)) {
            now = new Exported(times, sameAttributes ? before.attributes() : attributes.copy(), identities);
        }
        return moved || (isMember && changed) ? written(event, before, identities) : null;
    }

    Exported now() {
        return now;
    }

    private byte[] written(Event event, Exported before, byte[] identities) {
        export.clear();
        export.add('{');
        if (attributes.length() > 0) {
            export.add(now.attributes());
            export.add(',');
        }
        export.add(MEMBERSHIPS);
        boolean isFirst = true;
        for (int segment = 0; segment < statuses.length; segment++) {
            if (statuses[segment] == null) {
                continue;
            }
            if (!isFirst) {
                export.add(',');
            }
            isFirst = false;
            export.add(segmentHeads[segment]);
            if (event.timeFrom[segment] == Event.ABSENT) {
                export.add(before.times()[segment]);
            } else {
                export.add(event.text, event.timeFrom[segment], event.timeTo[segment]);
            }
            export.add(statuses[segment]);
        }
        export.add(IDENTITIES);
        export.add(identities);
        export.add('}');
        return export.copy();
    }

    private static byte[] identities(Event event, Exported before) {
        byte[] known = before == null ? null : before.identities();
        if (event.identitiesFrom == Event.ABSENT) {
            return kept(NO_IDENTITIES, 0, NO_IDENTITIES.length, known);
        }
        return kept(event.text, event.identitiesFrom, event.identitiesTo, known);
    }

    /** What was kept before where it is the same, else a copy. */
    private static byte[] kept(byte[] text, int from, int to, byte[] before) {
        boolean isSame = before != null && Arrays.equals(text, from, to, before, 0, before.length);
        return isSame ? before : Arrays.copyOfRange(text, from, to);
    }

    /** Add an object's members that the event has, one after another. */
    private void addAttributes(Event event, Selection.Attributes object) {
        int begin = attributes.length();
        for (Selection.Attributes member : object.members) {
            int before = attributes.length();
            if (before > begin) {
                attributes.add(',');
            }
            if (member.number == Selection.Attributes.OBJECT) {
                addObject(event, member, before);
            } else if (event.attributeFrom[member.number] == Event.ABSENT) {
                attributes.cut(before);
            } else {
                attributes.add(member.head);
                attributes.add(event.text, event.attributeFrom[member.number], event.attributeTo[member.number]);
            }
        }
    }

    private void addObject(Event event, Selection.Attributes object, int before) {
        attributes.add(object.head);
        attributes.add('{');
        int begin = attributes.length();
        addAttributes(event, object);
        if (attributes.length() == begin) {
            attributes.cut(before);
        } else {
            attributes.add('}');
        }
    }
}
