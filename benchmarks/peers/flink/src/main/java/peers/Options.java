package peers;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Arguments of the form {@code --name value}. */
record Options(Map<String, String> byName) {

    static Options of(String[] arguments) {
        Map<String, String> byName = new HashMap<>();
        for (int at = 0; at + 1 < arguments.length; at += 2) {
            byName.put(arguments[at].substring("--".length()), arguments[at + 1]);
        }
        return new Options(byName);
    }

    String text(String name) {
        String value = byName.get(name);
        if (value == null) {
            throw new IllegalArgumentException("--" + name + " is missing");
        }
        return value;
    }

    List<String> list(String name) {
        return List.of(text(name).split(","));
    }
}
