package peers;

import java.util.Arrays;

/** Where in an event's text what is mapped stands. One object serves event after event. */
final class Event {
    /** Of something that the event does not have. */
    static final int ABSENT = -1;

    byte[] text;
    final boolean[] isMember;
    final int[] timeFrom;
    final int[] timeTo;
    final int[] attributeFrom;
    final int[] attributeTo;
    int identitiesFrom;
    int identitiesTo;

    Event(Selection selection) {
        int segments = selection.segments.size();
        isMember = new boolean[segments];
        timeFrom = new int[segments];
        timeTo = new int[segments];
        attributeFrom = new int[selection.attributeCount];
        attributeTo = new int[selection.attributeCount];
    }

    void begin(byte[] newText) {
        text = newText;
        Arrays.fill(isMember, false);
        Arrays.fill(timeFrom, ABSENT);
        Arrays.fill(attributeFrom, ABSENT);
        identitiesFrom = ABSENT;
    }
}
