package peers;

import java.net.URI;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletionException;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.connector.base.sink.writer.AsyncSinkWriter;
import org.apache.flink.connector.base.sink.writer.BufferedRequestState;
import org.apache.flink.connector.base.sink.writer.ElementConverter;
import org.apache.flink.connector.base.sink.writer.ResultHandler;
import org.apache.flink.connector.base.sink.writer.config.AsyncSinkWriterConfiguration;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.client.config.SdkAdvancedAsyncClientOption;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.http.nio.netty.SdkEventLoopGroup;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.KinesisException;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.PutRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.PutRecordsResultEntry;

/** Several calls at once; records that were refused go to the head of the buffer, and are sent again. */
final class KinesisWriter extends AsyncSinkWriter<Tuple2<String, byte[]>, PutRecordsRequestEntry> {
    private static final int RECORDS_A_CALL = 500;
    private static final int CALLS_IN_FLIGHT = 16;
    private static final AsyncSinkWriterConfiguration BUFFERING =
            AsyncSinkWriterConfiguration.builder()
                    .setMaxBatchSize(RECORDS_A_CALL)
                    .setMaxBatchSizeInBytes(5 * 1024 * 1024)
                    .setMaxInFlightRequests(CALLS_IN_FLIGHT)
                    .setMaxBufferedRequests(20 * RECORDS_A_CALL)
                    .setMaxTimeInBufferMS(100)
                    .setMaxRecordSizeInBytes(1024 * 1024)
                    .build();

    private final String stream;
    private final KinesisAsyncClient client;

    KinesisWriter(
            KinesisSink sink,
            WriterInitContext context,
            Collection<BufferedRequestState<PutRecordsRequestEntry>> buffered) {
        super(new ToRecord(), context, BUFFERING, buffered);
        stream = sink.stream();
        client = client(sink);
    }

    @Override
    protected void submitRequestEntries(
            List<PutRecordsRequestEntry> records, ResultHandler<PutRecordsRequestEntry> handler) {
        client.putRecords(call -> call.streamName(stream).records(records))
                .whenComplete(
                        (answer, error) -> {
                            if (error != null) {
                                failed(error, records, handler);
                            } else if (answer.failedRecordCount() > 0) {
                                handler.retryForEntries(refused(records, answer));
                            } else {
                                handler.complete();
                            }
                        });
    }

    @Override
    protected long getSizeInBytes(PutRecordsRequestEntry record) {
        return record.data().asByteArrayUnsafe().length;
    }

    @Override
    public void close() {
        client.close();
    }

    private static void failed(
            Throwable error,
            List<PutRecordsRequestEntry> records,
            ResultHandler<PutRecordsRequestEntry> handler) {
        Throwable cause = error instanceof CompletionException ? error.getCause() : error;
        if (cause instanceof KinesisException answer && answer.statusCode() < 500 && !answer.isThrottlingException()) {
            handler.completeExceptionally(answer);
        } else {
            handler.retryForEntries(records);
        }
    }

    private static List<PutRecordsRequestEntry> refused(
            List<PutRecordsRequestEntry> records, PutRecordsResponse answer) {
        List<PutRecordsRequestEntry> refused = new ArrayList<>(answer.failedRecordCount());
        List<PutRecordsResultEntry> results = answer.records();
        for (int number = 0; number < results.size(); number++) {
            if (results.get(number).errorCode() != null) {
                refused.add(records.get(number));
            }
        }
        return refused;
    }

    private static KinesisAsyncClient client(KinesisSink sink) {
        return KinesisAsyncClient.builder()
                .region(Region.of(sink.region()))
                .endpointOverride(URI.create(sink.endpoint()))
                .credentialsProvider(
                        StaticCredentialsProvider.create(AwsBasicCredentials.create("benchmark", "benchmark")))
                // What follows an answer is only put into the task's mailbox: no thread is needed for it.
                .asyncConfiguration(
                        to -> to.advancedOption(
                                SdkAdvancedAsyncClientOption.FUTURE_COMPLETION_EXECUTOR, Runnable::run))
                .httpClientBuilder(
                        NettyNioAsyncHttpClient.builder()
                                .protocol(Protocol.HTTP1_1)
                                .maxConcurrency(CALLS_IN_FLIGHT)
                                .eventLoopGroupBuilder(SdkEventLoopGroup.builder().numberOfThreads(1)))
                .build();
    }

    /** An export's record. */
    private static final class ToRecord
            implements ElementConverter<Tuple2<String, byte[]>, PutRecordsRequestEntry> {
        private static final long serialVersionUID = 1L;

        @Override
        public PutRecordsRequestEntry apply(Tuple2<String, byte[]> export, SinkWriter.Context context) {
            return PutRecordsRequestEntry.builder()
                    .partitionKey(export.f0)
                    .data(SdkBytes.fromByteArrayUnsafe(export.f1))
                    .build();
        }
    }
}
