// The tests of the extension host, in the order in which they run.
import './activation';
import './settings';
import './editorHelp';
import './commands';
import './realRun';
import './inference';
import './tutorial';
import './quietLog';
import './refusals';
import './environment';
