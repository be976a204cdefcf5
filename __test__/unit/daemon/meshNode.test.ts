/** A whole node on a host of fakes: how it starts, runs and ends. */
import "./meshNode/startAndStop.ts";
import "./meshNode/interface.ts";
import "./meshNode/clients.ts";
import "./meshNode/oneNode.ts";
import "./meshNode/running.ts";
