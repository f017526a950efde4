package peers;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.Collection;
import java.util.List;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.api.connector.sink2.SupportsWriterState;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.connector.base.sink.writer.AsyncSinkWriterStateSerializer;
import org.apache.flink.connector.base.sink.writer.BufferedRequestState;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;

/** Exports to a Kinesis stream, at least once, on Flink's own base for such sinks, as Flink's Kinesis connector has it. */
record KinesisSink(String stream, String region, String endpoint)
        implements Sink<Tuple2<String, byte[]>>,
                SupportsWriterState<Tuple2<String, byte[]>, BufferedRequestState<PutRecordsRequestEntry>> {

    @Override
    public KinesisWriter createWriter(InitContext context) {
        throw new UnsupportedOperationException("this Flink has contexts of the newer kind");
    }

    @Override
    public KinesisWriter createWriter(WriterInitContext context) {
        return new KinesisWriter(this, context, List.of());
    }

    @Override
    public StatefulSinkWriter<Tuple2<String, byte[]>, BufferedRequestState<PutRecordsRequestEntry>> restoreWriter(
            WriterInitContext context, Collection<BufferedRequestState<PutRecordsRequestEntry>> buffered) {
        return new KinesisWriter(this, context, buffered);
    }

    @Override
    public SimpleVersionedSerializer<BufferedRequestState<PutRecordsRequestEntry>> getWriterStateSerializer() {
        return new BufferedRecords();
    }

    /** What a checkpoint has of records that were not sent yet. */
    private static final class BufferedRecords extends AsyncSinkWriterStateSerializer<PutRecordsRequestEntry> {
        @Override
        protected void serializeRequestToStream(PutRecordsRequestEntry record, DataOutputStream out)
                throws IOException {
            byte[] data = record.data().asByteArrayUnsafe();
            out.writeUTF(record.partitionKey());
            out.writeInt(data.length);
            out.write(data);
        }

        @Override
        protected PutRecordsRequestEntry deserializeRequestFromStream(long size, DataInputStream in)
                throws IOException {
            String key = in.readUTF();
            byte[] data = new byte[in.readInt()];
            in.readFully(data);
            return PutRecordsRequestEntry.builder()
                    .partitionKey(key)
                    .data(SdkBytes.fromByteArrayUnsafe(data))
                    .build();
        }

        @Override
        public int getVersion() {
            return 1;
        }
    }
}
