import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;
import io.netty.channel.Channel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.h2.mvstore.MVStore;

/**
 * A MongoDB-protocol server, where no mongod is at hand: java MongoStandIn FILE PORT [ADDRESS [REPLICA_SET]].
 * With a replica set it is that set's one member, once replSetInitiate has told it its name there.
 */
public final class MongoStandIn {
    private static final Set<String> WRITES = Set.of("insert", "update", "delete", "findAndModify",
            "findandmodify", "create", "createIndexes", "drop", "dropIndexes", "dropDatabase");

    /** The library's own constants stop below the wire version that today's drivers ask for. */
    private static final MongoVersion VERSION = new MongoVersion() {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(5, 0, 0);
        }

        @Override
        public int getWireVersion() {
            return 13;
        }
    };

    /** Commits after each write; the store alone loses up to a second of them on kill -9. */
    private static class DurableBackend extends H2Backend {
        DurableBackend(MVStore store) {
            super(store);
        }

        @Override
        public Document handleCommand(Channel channel, String database, String command, Document query) {
            Document reply = super.handleCommand(channel, database, command, query);
            if (WRITES.contains(command)) {
                getMvStore().commit();
            }
            return reply;
        }
    }

    /** The only member of a set. Its name in it, HOST:PORT, is kept in a file beside the store. */
    private static final class MemberBackend extends DurableBackend {
        private final String set;
        private final Path file;
        private volatile String name;

        MemberBackend(MVStore store, String set, Path file) throws IOException {
            super(store);
            this.set = set;
            this.file = file;
            this.name = Files.exists(file) ? Files.readString(file) : null;
        }

        @Override
        public Document handleCommand(Channel channel, String database, String command, Document query) {
            switch (command.toLowerCase()) {
                case "hello":
                case "ismaster":
                    return introduce(super.handleCommand(channel, database, "ismaster", query));
                case "replsetinitiate":
                    return initiate((Document) query.get("replSetInitiate"));
                case "replsetgetstatus":
                    return status();
                default:
                    return super.handleCommand(channel, database, command, query);
            }
        }

        private Document introduce(Document reply) {
            reply.put("ismaster", name != null);
            reply.put("isWritablePrimary", name != null);
            reply.put("secondary", false);
            if (name == null) {
                reply.put("isreplicaset", true);
                return reply;
            }
            reply.put("setName", set);
            reply.put("setVersion", 1);
            reply.put("hosts", List.of(name));
            reply.put("primary", name);
            reply.put("me", name);
            return reply;
        }

        private synchronized Document initiate(Document config) {
            if (name != null) {
                throw new MongoServerError(23, "AlreadyInitialized", "already initialized");
            }
            if (!set.equals(config.get("_id"))) {
                throw new MongoServerError(93, "InvalidReplicaSetConfig", "this is a member of " + set);
            }
            String host = (String) ((Document) ((List<?>) config.get("members")).get(0)).get("host");
            try {
                Files.writeString(file, host);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            name = host;
            return new Document("ok", 1.0);
        }

        private Document status() {
            if (name == null) {
                throw new MongoServerError(94, "NotYetInitialized", "no replset config has been received");
            }
            Document member = new Document("_id", 0).append("name", name).append("state", 1)
                    .append("stateStr", "PRIMARY").append("health", 1.0).append("self", true);
            return new Document("set", set).append("myState", 1).append("members", List.of(member))
                    .append("ok", 1.0);
        }
    }

    private MongoStandIn() {
    }

    public static void main(String[] args) throws IOException {
        MVStore store = new MVStore.Builder().fileName(args[0]).open();
        H2Backend backend = args.length > 3
                ? new MemberBackend(store, args[3], Path.of(args[0] + ".name"))
                : new DurableBackend(store);
        backend.version(VERSION);
        MongoServer server = new MongoServer(backend);
        server.bind(args.length > 2 ? args[2] : "127.0.0.1", Integer.parseInt(args[1]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    }
}
