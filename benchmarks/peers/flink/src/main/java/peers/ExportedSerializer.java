package peers;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** Writes {@link Exported} as its bytes, each with its length; -1 stands for none. */
final class ExportedSerializer extends TypeSerializerSingleton<Exported> {
    static final ExportedSerializer INSTANCE = new ExportedSerializer();
    private static final long serialVersionUID = 1L;
    private static final int NONE = -1;

    @Override
    public boolean isImmutableType() {
        return true;
    }

    @Override
    public Exported createInstance() {
        return new Exported(new byte[0][], new byte[0], new byte[0]);
    }

    @Override
    public Exported copy(Exported from) {
        return from;
    }

    @Override
    public Exported copy(Exported from, Exported reuse) {
        return from;
    }

    @Override
    public int getLength() {
        return -1;
    }

    @Override
    public void serialize(Exported exported, DataOutputView target) throws IOException {
        target.writeByte(exported.times().length);
        for (byte[] time : exported.times()) {
            write(time, target);
        }
        write(exported.attributes(), target);
        write(exported.identities(), target);
    }

    @Override
    public Exported deserialize(DataInputView source) throws IOException {
        byte[][] times = new byte[source.readUnsignedByte()][];
        for (int segment = 0; segment < times.length; segment++) {
            times[segment] = read(source);
        }
        return new Exported(times, read(source), read(source));
    }

    @Override
    public Exported deserialize(Exported reuse, DataInputView source) throws IOException {
        return deserialize(source);
    }

    @Override
    public void copy(DataInputView source, DataOutputView target) throws IOException {
        serialize(deserialize(source), target);
    }

    @Override
    public TypeSerializerSnapshot<Exported> snapshotConfiguration() {
        return new Snapshot();
    }

    private static void write(byte[] bytes, DataOutputView target) throws IOException {
        if (bytes == null) {
            target.writeShort(NONE);
        } else {
            target.writeShort(bytes.length);
            target.write(bytes);
        }
    }

    private static byte[] read(DataInputView source) throws IOException {
        int length = source.readShort();
        if (length == NONE) {
            return null;
        }
        byte[] bytes = new byte[length];
        source.readFully(bytes);
        return bytes;
    }

    /** What a checkpoint tells of this serializer. */
    public static final class Snapshot extends SimpleTypeSerializerSnapshot<Exported> {
        public Snapshot() {
            super(() -> INSTANCE);
        }
    }
}
