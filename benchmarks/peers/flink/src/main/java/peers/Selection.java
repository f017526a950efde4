package peers;

import static peers.Text.utf8;

import com.dslplatform.json.JsonReader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What of an event is mapped: segments by their ids, and attributes by their paths, as a tree of names. */
final class Selection {
    final List<String> segments;
    final int attributeCount;
    final Attributes attributes;

    Selection(List<String> segments, List<String> paths) {
        this.segments = segments;
        this.attributeCount = paths.size();
        Map<List<String>, Integer> numbers = new LinkedHashMap<>();
        for (String path : paths) {
            numbers.put(List.of(path.split("\\.")), numbers.size());
        }
        attributes = new Attributes("", numbers);
    }

    /** A mapped attribute, or an object that mapped attributes are in. */
    static final class Attributes {
        /** The number of what is no attribute itself. */
        static final int OBJECT = -1;

        /** Its name as JSON has it before a value. */
        final byte[] head;

        final int number;
        final List<Attributes> members = new ArrayList<>();
        private final Names names;

        private Attributes(String name, Map<List<String>, Integer> numbers) {
            head = utf8('"' + name + "\":");
            number = numbers.getOrDefault(List.<String>of(), OBJECT);
            Map<String, Map<List<String>, Integer>> inside = new LinkedHashMap<>();
            numbers.forEach(
                    (path, attribute) -> {
                        if (!path.isEmpty()) {
                            inside.computeIfAbsent(path.get(0), first -> new LinkedHashMap<>())
                                    .put(path.subList(1, path.size()), attribute);
                        }
                    });
            inside.forEach((member, its) -> members.add(new Attributes(member, its)));
            names = new Names(List.copyOf(inside.keySet()));
        }

        /** The member whose name was read last, given its hash; null where nothing in it is mapped. */
        Attributes member(JsonReader<?> json, int hash) {
            int place = names.number(json, hash);
            return place == Names.UNKNOWN ? null : members.get(place);
        }
    }
}
