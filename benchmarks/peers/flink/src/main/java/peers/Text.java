package peers;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Bytes that grow; cleared and filled again for each export. */
final class Text {
    private byte[] bytes = new byte[1024];
    private int length;

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    void clear() {
        length = 0;
    }

    int length() {
        return length;
    }

    void add(byte[] more) {
        add(more, 0, more.length);
    }

    void add(byte[] from, int begin, int end) {
        int count = end - begin;
        if (length + count > bytes.length) {
            bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, length + count));
        }
        System.arraycopy(from, begin, bytes, length, count);
        length += count;
    }

    void add(char ascii) {
        if (length == bytes.length) {
            bytes = Arrays.copyOf(bytes, 2 * bytes.length);
        }
        bytes[length++] = (byte) ascii;
    }

    void cut(int newLength) {
        length = newLength;
    }

    boolean equalTo(byte[] other) {
        return Arrays.equals(bytes, 0, length, other, 0, other.length);
    }

    byte[] copy() {
        return Arrays.copyOf(bytes, length);
    }
}
