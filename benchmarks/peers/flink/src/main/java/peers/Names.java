package peers;

import com.dslplatform.json.JsonReader;
import java.util.Arrays;
import java.util.List;

/** Names that are looked up by the hash that the JSON reader has of the name that it has read, without making a text of it. */
final class Names {
    /** The number of a name that is not among them. */
    static final int UNKNOWN = -1;

    private final byte[][] names;
    private final int[] hashes;
    private final int[] numbers;

    Names(List<String> texts) {
        int places = Integer.highestOneBit(Math.max(1, texts.size())) * 4;
        names = new byte[places][];
        hashes = new int[places];
        numbers = new int[places];
        Arrays.fill(numbers, UNKNOWN);
        for (int number = 0; number < texts.size(); number++) {
            byte[] name = Text.utf8(texts.get(number));
            int hash = hash(name);
            int place = place(hash);
            while (numbers[place] != UNKNOWN) {
                place = place + 1 & places - 1;
            }
            names[place] = name;
            hashes[place] = hash;
            numbers[place] = number;
        }
    }

    /** The number of the name that was read last, given its hash. */
    int number(JsonReader<?> json, int hash) {
        int place = place(hash);
        while (numbers[place] != UNKNOWN && !(hashes[place] == hash && json.wasLastName(names[place]))) {
            place = place + 1 & names.length - 1;
        }
        return numbers[place];
    }

    private int place(int hash) {
        return hash & names.length - 1;
    }

    /** As the reader has it. */
    private static int hash(byte[] name) {
        int sum = 0;
        for (byte each : name) {
            sum += each;
        }
        return sum;
    }
}
