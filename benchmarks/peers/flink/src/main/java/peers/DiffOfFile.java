package peers;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** The diff alone, on a file: a line has a key, a tab and an event; for each a line is printed: its export, or nothing. */
public final class DiffOfFile {
    private DiffOfFile() {}

    /** Reads {@code --events}, a file. */
    public static void main(String[] arguments) throws IOException {
        Options options = Options.of(arguments);
        Selection selection = new Selection(options.list("segments"), options.list("attributes"));
        EventReader reader = new EventReader(selection);
        Diff diff = new Diff(selection);
        Map<String, Exported> states = new HashMap<>();
        try (PrintStream out = new PrintStream(new BufferedOutputStream(System.out), false, StandardCharsets.UTF_8)) {
            for (String line : Files.readAllLines(Path.of(options.text("events")))) {
                int tab = line.indexOf('\t');
                out.println(export(line.substring(0, tab), line.substring(tab + 1), reader, diff, states));
            }
        }
    }

    private static String export(
            String profile, String event, EventReader reader, Diff diff, Map<String, Exported> states) {
        try {
            byte[] export = diff.export(reader.read(Text.utf8(event)), states.get(profile));
            states.put(profile, diff.now());
            return export == null ? "" : new String(export, StandardCharsets.UTF_8);
        } catch (IOException error) {
            return "";
        }
    }
}
