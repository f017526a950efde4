package peers;

import static peers.Text.utf8;

import java.io.Serializable;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;

/** What of an event is mapped: segments by their ids, and attributes by their paths, as a tree of names. */
final class Selection implements Serializable {
    private static final long serialVersionUID = 1L;

    final List<String> segments;
    final int attributeCount;
    final Attributes attributes = new Attributes(new byte[0]);
    private final LinkedHashMap<String, Integer> segmentNumbers = new LinkedHashMap<>();

    Selection(List<String> segments, List<String> paths) {
        this.segments = List.copyOf(segments);
        this.attributeCount = paths.size();
        for (String segment : segments) {
            segmentNumbers.put(segment, segmentNumbers.size());
        }
        for (int number = 0; number < paths.size(); number++) {
            attributes.add(List.of(paths.get(number).split("\\.")), number);
        }
    }

    /** A segment's number; null where it is not mapped. */
    Integer segmentNumber(String id) {
        return segmentNumbers.get(id);
    }

    /** A mapped attribute, or an object that mapped attributes are in. */
    static final class Attributes implements Serializable {
        private static final long serialVersionUID = 1L;

        /** Its name as JSON has it before a value; empty for the event itself. */
        final byte[] head;

        /** The attribute's number; -1 of an object. */
        int number = -1;

        private final LinkedHashMap<String, Attributes> members = new LinkedHashMap<>();

        private Attributes(byte[] head) {
            this.head = head;
        }

        /** The member of that name; null where nothing in it is mapped. */
        Attributes member(String name) {
            return members.get(name);
        }

        Collection<Attributes> members() {
            return members.values();
        }

        private void add(List<String> path, int attribute) {
            String name = path.get(0);
            Attributes member = members.computeIfAbsent(name, it -> new Attributes(utf8('"' + it + "\":")));
            if (path.size() == 1) {
                member.number = attribute;
            } else {
                member.add(path.subList(1, path.size()), attribute);
            }
        }
    }
}
