import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.List;
import java.util.Set;
import org.h2.mvstore.MVStore;

/** A MongoDB-protocol server for tests, where no mongod is at hand: java MongoStandIn FILE PORT. */
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
    private static final class DurableBackend extends H2Backend {
        DurableBackend(MVStore store) {
            super(store);
        }

        @Override
        public Document handleMessage(MongoMessage message) {
            Document reply = super.handleMessage(message);
            String command = message.getDocument().keySet().iterator().next();
            if (WRITES.contains(command)) {
                getMvStore().commit();
            }
            return reply;
        }
    }

    private MongoStandIn() {
    }

    public static void main(String[] args) {
        MVStore store = new MVStore.Builder().fileName(args[0]).open();
        H2Backend backend = new DurableBackend(store);
        backend.version(VERSION);
        MongoServer server = new MongoServer(backend);
        server.bind("127.0.0.1", Integer.parseInt(args[1]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    }
}
