package peers;

import java.io.IOException;
import java.util.List;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.metrics.Counter;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** From events to exports, by profile; what cannot be read is counted and left out. */
final class Exports extends KeyedProcessFunction<String, Tuple2<String, byte[]>, Tuple2<String, byte[]>> {
    private static final long serialVersionUID = 1L;

    private final List<String> segments;
    private final List<String> attributes;
    private transient EventReader reader;
    private transient Diff diff;
    private transient ValueState<Exported> exported;
    private transient Counter unreadable;

    Exports(List<String> segments, List<String> attributes) {
        this.segments = segments;
        this.attributes = attributes;
    }

    @Override
    public void open(OpenContext context) {
        Selection selection = new Selection(segments, attributes);
        reader = new EventReader(selection);
        diff = new Diff(selection);
        exported =
                getRuntimeContext()
                        .getState(new ValueStateDescriptor<>("exported", ExportedSerializer.INSTANCE));
        unreadable = getRuntimeContext().getMetricGroup().counter("unreadableEvents");
    }

    @Override
    public void processElement(
            Tuple2<String, byte[]> change, Context context, Collector<Tuple2<String, byte[]>> out)
            throws IOException {
        Event event;
        try {
            event = reader.read(change.f1);
        } catch (IOException error) {
            unreadable.inc();
            return;
        }
        Exported before = exported.value();
        byte[] export = diff.export(event, before);
        if (diff.now() != before) {
            exported.update(diff.now());
        }
        if (export != null) {
            out.collect(Tuple2.of(change.f0, export));
        }
    }
}
