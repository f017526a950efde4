package peers;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;

/** Profile changes from Kafka, compared with what was last exported of the profile; what differs goes to Kinesis. */
public final class ExportJob {
    private static final Duration CHECKPOINT_EVERY = Duration.ofSeconds(5);

    private ExportJob() {}

    /** Runs until it is ended, in this process: one task manager of one slot beside its job manager. */
    public static void main(String[] arguments) throws Exception {
        Options options = Options.of(arguments);
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.createLocalEnvironment(1, configuration(options));
        environment.enableCheckpointing(CHECKPOINT_EVERY.toMillis(), CheckpointingMode.EXACTLY_ONCE);
        environment
                .fromSource(source(options), WatermarkStrategy.noWatermarks(), "events")
                .keyBy(event -> event.f0, Types.STRING)
                .process(new Exports(options.list("segments"), options.list("attributes")), KeyedBytes.TYPE)
                .sinkTo(new KinesisSink("exports", "eu-west-1", options.text("endpoint")));
        environment.execute("exports");
    }

    private static Configuration configuration(Options options) {
        Configuration configuration = new Configuration();
        configuration.set(StateBackendOptions.STATE_BACKEND, options.text("backend"));
        configuration.set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true);
        configuration.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        configuration.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + options.text("checkpoints"));
        configuration.set(
                CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
                ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
        configuration.set(PipelineOptions.OBJECT_REUSE, true);
        configuration.set(PipelineOptions.GENERIC_TYPES, false);
        return configuration;
    }

    private static KafkaSource<Tuple2<String, byte[]>> source(Options options) {
        return KafkaSource.<Tuple2<String, byte[]>>builder()
                .setBootstrapServers(options.text("servers"))
                .setTopics(options.text("topic"))
                .setGroupId(options.text("group"))
                .setStartingOffsets(OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST))
                .setProperty("max.poll.records", "2000")
                .setDeserializer(new KeyedBytes())
                .build();
    }
}
